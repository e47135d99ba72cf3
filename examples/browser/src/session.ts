import type { Engine } from '@medalign/backend';
import { modelInput, resizePadCrop } from '@medalign/datasets/transforms';
import { type OpenedModel, openModel } from '@medalign/example-plan/model-file';
import { type PhraseReading, readPhrase } from '@medalign/example-plan/read-phrase';
import { type EngineName, nextEngine, type Reasons } from './engine-names';
import { startEngine } from './engines';
import type { Picture } from './image';

/** Errors that say something about what the person gave; every other one is the engine's. */
const ofTheInput = ['OptionError', 'ShapeError', 'DataError', 'ModelFileError', 'ImageError', 'StateDictError'];

/** The engine and the model of this page. An engine that fails is left for another one, and never in silence. */
export class Session {
  engine: Engine | undefined;
  opened: OpenedModel | undefined;
  /** Why an engine cannot be used; grows when one fails. */
  readonly reasons: Reasons;
  #bytes: Uint8Array | undefined;
  readonly #onFallback: (message: string) => void;

  constructor(reasons: Reasons, onFallback: (message: string) => void) {
    this.reasons = reasons;
    this.#onFallback = onFallback;
  }

  /** Changes the engine. The model is built anew from its file, because a broken engine gives nothing back. */
  async use(name: EngineName): Promise<void> {
    try {
      this.#close();
      this.engine = await startEngine(name);
      if (this.#bytes) this.opened = openModel(this.#bytes);
    } catch (error) {
      await this.#goOn(name, error as Error);
    }
  }

  /** @throws {ModelFileError} and keeps the model that was there. */
  load(bytes: Uint8Array): OpenedModel {
    const opened = openModel(bytes);
    this.#close();
    this.#bytes = bytes;
    this.opened = opened;
    return opened;
  }

  async read(picture: Picture, phrase: string): Promise<PhraseReading> {
    const { resize, crop, channels } = this.opened!.settings.image;
    const input = modelInput(picture.raster, { transform: resizePadCrop({ resize, crop }), channels });
    try {
      const reading = await readPhrase(this.opened!, input, phrase);
      if (!Number.isFinite(reading.score)) throw new Error(`the score it computed is ${reading.score}`);
      return reading;
    } catch (error) {
      const { name } = error as Error;
      if (ofTheInput.includes(name)) throw error;
      await this.#goOn(this.engine!.name as EngineName, error as Error);
      return this.read(picture, phrase);
    }
  }

  async #goOn(failed: EngineName, { message }: Error): Promise<void> {
    this.reasons[failed] = `it failed: ${message}`;
    const next = nextEngine(this.reasons);
    if (!next) throw new Error(`No engine of this browser works. The last one, ${failed}: ${message}`);
    this.#onFallback(`The engine ${failed} failed, ${next} is used instead. ${message}`);
    await this.use(next);
  }

  #close(): void {
    this.opened?.model.dispose();
    this.opened = undefined;
  }
}
