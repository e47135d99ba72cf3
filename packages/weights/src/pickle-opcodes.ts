import { describe, type Machine } from './pickle-machine';
import { NumpyDtype } from './pickle-numpy';
import { Foreign } from './pickle-values';

/** What each opcode of protocols 2 to 5 does, as far as PyTorch writes it. What is missing here is refused. */
export const opcodes: ReadonlyMap<number, (m: Machine) => void> = new Map([
  // framing, stack and marks
  [0x80, (m: Machine): void => void m.uint(1)], // PROTO once more
  [0x95, frame], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => void (m.marks.at(-1) === m.stack.length ? m.popMark() : m.pop())], // POP
  [0x31, (m) => void m.popMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP
  // scalars
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x4b, (m) => m.push(m.uint(1))], // BININT1
  [0x4d, (m) => m.push(m.uint(2))], // BININT2
  [0x8a, (m) => m.push(wholeNumber(m, m.uint(1)))], // LONG1
  [0x8b, (m) => m.push(wholeNumber(m, m.int32()))], // LONG4
  [0x47, (m) => m.push(m.float64())], // BINFLOAT
  // text and bytes
  [0x54, (m) => m.push(m.text(signedLength(m)))], // BINSTRING: str of Python 2
  [0x55, (m) => m.push(m.text(m.uint(1)))], // SHORT_BINSTRING
  [0x58, (m) => m.push(m.text(m.uint(4)))], // BINUNICODE
  [0x8c, (m) => m.push(m.text(m.uint(1)))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.text(m.uint(8)))], // BINUNICODE8
  [0x42, (m) => m.push(m.slice(m.uint(4)))], // BINBYTES
  [0x43, (m) => m.push(m.slice(m.uint(1)))], // SHORT_BINBYTES
  [0x8e, (m) => m.push(m.slice(m.uint(8)))], // BINBYTES8
  [0x96, (m) => m.push(m.slice(m.uint(8)))], // BYTEARRAY8
  // containers
  [0x7d, (m) => void m.create(new Map())], // EMPTY_DICT
  [0x5d, (m) => void m.create([])], // EMPTY_LIST
  [0x29, (m) => void m.create([])], // EMPTY_TUPLE
  [0x8f, (m) => void m.create(new Set())], // EMPTY_SET
  [0x74, (m) => void m.create(m.popMark())], // TUPLE
  [0x85, (m) => void m.create(m.popMany(1))], // TUPLE1
  [0x86, (m) => void m.create(m.popMany(2))], // TUPLE2
  [0x87, (m) => void m.create(m.popMany(3))], // TUPLE3
  [0x6c, (m) => void m.create(m.popMark())], // LIST
  [0x64, (m) => setItems(m, m.popMark(), m.create(new Map()))], // DICT
  [0x91, (m) => void m.create(new Set(m.popMark()))], // FROZENSET
  [0x61, (m) => append(m, m.popMany(1))], // APPEND
  [0x65, (m) => append(m, m.popMark())], // APPENDS
  [0x73, (m) => setItems(m, m.popMany(2), m.top())], // SETITEM
  [0x75, (m) => setItems(m, m.popMark(), m.top())], // SETITEMS
  [0x90, (m) => addItems(m, m.popMark())], // ADDITEMS
  // names, calls, storages: all through the host
  [0x63, (m) => global(m, m.line(), m.line())], // GLOBAL
  [0x93, (m) => global(m, ...(m.popMany(2) as [unknown, unknown]))], // STACK_GLOBAL
  [0x52, (m) => call(m, 'REDUCE')], // REDUCE
  [0x81, (m) => call(m, 'NEWOBJ')], // NEWOBJ
  [0x92, newWithNames], // NEWOBJ_EX
  [0x62, build], // BUILD
  [0x51, (m) => m.push(m.host.persistent(m.pop(), m.fail))], // BINPERSID
  // memo
  [0x71, (m) => m.remember(m.uint(1))], // BINPUT
  [0x72, (m) => m.remember(m.uint(4))], // LONG_BINPUT
  [0x94, (m) => m.remember(m.memo.size)], // MEMOIZE
  [0x68, (m) => m.recall(m.uint(1))], // BINGET
  [0x6a, (m) => m.recall(m.uint(4))], // LONG_BINGET
  // named, so that the message can say what they are
  [0x82, (m) => m.fail('EXT1 stands for a class of another program')],
  [0x83, (m) => m.fail('EXT2 stands for a class of another program')],
  [0x84, (m) => m.fail('EXT4 stands for a class of another program')],
  [0x97, (m) => m.fail('NEXT_BUFFER refers to a buffer outside of the file')],
  [0x98, (m) => m.fail('READONLY_BUFFER refers to a buffer outside of the file')],
]);

function frame(m: Machine): void {
  const length = m.uint(8);
  if (m.at + length > m.host.size) m.fail(`a frame of ${length} bytes, more than there are: truncated`);
}

/** Two's complement, little endian; a number where that is exact. */
function wholeNumber(m: Machine, length: number): number | bigint {
  if (length < 0 || length > 255) m.fail(`a whole number of ${length} bytes`);
  let value = 0n;
  for (const byte of m.slice(length).toReversed()) value = (value << 8n) | BigInt(byte);
  value = BigInt.asIntN(8 * length, value);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function signedLength(m: Machine): number {
  const length = m.int32();
  return length < 0 ? m.fail(`a text of ${length} bytes`) : length;
}

function append(m: Machine, items: unknown[]): void {
  const list = m.top();
  if (Array.isArray(list)) for (const item of items) list.push(item);
  else if (!(list instanceof Foreign)) m.fail(`values are appended to ${describe(list)}`);
}

function setItems(m: Machine, items: unknown[], dict: unknown): void {
  if (items.length % 2 === 1) m.fail('a name in a dict has no value');
  if (dict instanceof Map) for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
  else if (!(dict instanceof Foreign)) m.fail(`items are set in ${describe(dict)}`);
}

function addItems(m: Machine, items: unknown[]): void {
  const set = m.top();
  if (set instanceof Set) for (const item of items) set.add(item);
  else if (!(set instanceof Foreign)) m.fail(`items are added to ${describe(set)}`);
}

function global(m: Machine, module: unknown, name: unknown): void {
  if (typeof module !== 'string' || typeof name !== 'string') {
    m.fail(`a global named by ${describe(module)} and ${describe(name)}`);
  }
  m.push(m.host.global(`${module}.${name}`, m.fail));
}

function call(m: Machine, how: 'REDUCE' | 'NEWOBJ'): void {
  const [callee, args] = m.popMany(2);
  m.push(m.call(callee, args, how));
}

function newWithNames(m: Machine): void {
  const [callee, args, names] = m.popMany(3);
  if (names instanceof Map && names.size > 0 && !(callee instanceof Foreign)) {
    m.fail(`NEWOBJ_EX of ${describe(callee)} with arguments by name`);
  }
  m.push(m.call(callee, args, 'NEWOBJ'));
}

/** The attributes of an OrderedDict (`_metadata`: versions of modules) are left out; a NumPy type gets its byte order. */
function build(m: Machine): void {
  const state = m.pop();
  const target = m.top();
  if (target instanceof NumpyDtype) target.setState(state, m.fail);
  else if (!(target instanceof Map) && !(target instanceof Foreign)) m.fail(`BUILD of ${describe(target)}`);
}
