import { describe, type Machine } from './pickle-machine';
import { NumpyDtype } from './pickle-numpy';
import { Foreign } from './pickle-values';

/** What each opcode of protocols 2 to 5 does, as far as PyTorch writes it. What is missing here is refused. */
export const opcodes: Partial<Record<number, (m: Machine) => void>> = {
  // framing, stack and marks
  128: (m) => void m.uint(1), // PROTO once more
  149: frame, // FRAME
  40: (m) => void m.marks.push(m.stack.length), // MARK
  48: (m) => void (m.marks.at(-1) === m.stack.length ? m.popMark() : m.pop()), // POP
  49: (m) => void m.popMark(), // POP_MARK
  50: (m) => m.push(m.top()), // DUP
  // scalars
  78: (m) => m.push(null), // NONE
  136: (m) => m.push(true), // NEWTRUE
  137: (m) => m.push(false), // NEWFALSE
  74: (m) => m.push(m.int32()), // BININT
  75: (m) => m.push(m.uint(1)), // BININT1
  77: (m) => m.push(m.uint(2)), // BININT2
  138: (m) => m.push(wholeNumber(m, m.uint(1))), // LONG1
  139: (m) => m.push(wholeNumber(m, m.int32())), // LONG4
  71: (m) => m.push(m.float64()), // BINFLOAT
  // text and bytes
  84: (m) => m.push(m.text(signedLength(m))), // BINSTRING: str of Python 2
  85: (m) => m.push(m.text(m.uint(1))), // SHORT_BINSTRING
  88: (m) => m.push(m.text(m.uint(4))), // BINUNICODE
  140: (m) => m.push(m.text(m.uint(1))), // SHORT_BINUNICODE
  141: (m) => m.push(m.text(m.uint(8))), // BINUNICODE8
  66: (m) => m.push(m.slice(m.uint(4))), // BINBYTES
  67: (m) => m.push(m.slice(m.uint(1))), // SHORT_BINBYTES
  142: (m) => m.push(m.slice(m.uint(8))), // BINBYTES8
  150: (m) => m.push(m.slice(m.uint(8))), // BYTEARRAY8
  // containers
  125: (m) => void m.create(new Map()), // EMPTY_DICT
  93: (m) => void m.create([]), // EMPTY_LIST
  41: (m) => void m.create([]), // EMPTY_TUPLE
  143: (m) => void m.create(new Set()), // EMPTY_SET
  116: (m) => void m.create(m.popMark()), // TUPLE
  133: (m) => void m.create(m.popMany(1)), // TUPLE1
  134: (m) => void m.create(m.popMany(2)), // TUPLE2
  135: (m) => void m.create(m.popMany(3)), // TUPLE3
  108: (m) => void m.create(m.popMark()), // LIST
  100: (m) => setItems(m, m.popMark(), m.create(new Map())), // DICT
  145: (m) => void m.create(new Set(m.popMark())), // FROZENSET
  97: (m) => append(m, m.popMany(1)), // APPEND
  101: (m) => append(m, m.popMark()), // APPENDS
  115: (m) => setItems(m, m.popMany(2), m.top()), // SETITEM
  117: (m) => setItems(m, m.popMark(), m.top()), // SETITEMS
  144: (m) => addItems(m, m.popMark()), // ADDITEMS
  // names, calls, storages: all through the host
  99: (m) => global(m, m.line(), m.line()), // GLOBAL
  147: (m) => global(m, ...(m.popMany(2) as [unknown, unknown])), // STACK_GLOBAL
  82: (m) => call(m, 'REDUCE'), // REDUCE
  129: (m) => call(m, 'NEWOBJ'), // NEWOBJ
  146: newWithNames, // NEWOBJ_EX
  98: build, // BUILD
  81: (m) => m.push(m.host.persistent(m.pop(), m.fail)), // BINPERSID
  // memo
  113: (m) => m.remember(m.uint(1)), // BINPUT
  114: (m) => m.remember(m.uint(4)), // LONG_BINPUT
  148: (m) => m.remember(m.memo.size), // MEMOIZE
  104: (m) => m.recall(m.uint(1)), // BINGET
  106: (m) => m.recall(m.uint(4)), // LONG_BINGET
  // named, so that the message can say what they are
  130: (m) => m.fail('EXT1 stands for a class of another program'),
  131: (m) => m.fail('EXT2 stands for a class of another program'),
  132: (m) => m.fail('EXT4 stands for a class of another program'),
  151: (m) => m.fail('NEXT_BUFFER refers to a buffer outside of the file'),
  152: (m) => m.fail('READONLY_BUFFER refers to a buffer outside of the file'),
};

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
