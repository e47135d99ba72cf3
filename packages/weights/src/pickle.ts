import { type Host, Machine, mostValues, saveAgain } from './pickle-machine';
import { opcodes } from './pickle-opcodes';

/**
 * Reads one pickle of protocols 2 to 5 by a stack machine that knows nothing but plain data: dicts become Maps, lists and tuples
 * arrays, sets Sets, bytes Uint8Arrays, whole numbers beyond 2^53 bigints. Every name and every call goes through the host.
 *
 * @returns the value and where the pickle ends.
 * @throws {CheckpointError} for anything else, with the place.
 */
export function unpickle(bytes: Uint8Array, start: number, host: Host): { value: unknown; end: number } {
  const machine = new Machine(bytes, start, host);
  if (machine.uint(1) !== 0x80) machine.fail('it does not start as a pickle of protocol 2 to 5', saveAgain);
  const protocol = machine.uint(1);
  if (protocol < 2 || protocol > 5) machine.fail(`protocol ${protocol} is not one of 2 to 5`, saveAgain);
  for (;;) {
    machine.opcodeAt = machine.at;
    const opcode = machine.uint(1);
    if (opcode === 0x2e) return { value: machine.pop(), end: machine.at };
    machine.charge(1);
    const run = opcodes.get(opcode);
    if (!run) {
      const hex = opcode.toString(16).padStart(2, '0');
      return machine.fail(`opcode 0x${hex} is not one that PyTorch writes in protocols 2 to 5`, saveAgain);
    }
    run(machine);
    if (machine.stack.length > mostValues) machine.fail(`more than ${mostValues} values wait on its stack`, saveAgain);
  }
}
