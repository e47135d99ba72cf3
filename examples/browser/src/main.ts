import type { PhraseReading } from '@medalign/example-plan/read-phrase';
import { number } from './describe';
import { type EngineName, engineNames, missingEngines } from './engine-names';
import { type Picture, readImage } from './image';
import { type NamedMap, namedMaps } from './maps';
import { browserOffers } from './offers';
import { PictureView } from './picture-view';
import { roundsTable } from './rounds-table';
import { Session } from './session';
import { knownWords, sayKnown } from './words';

// ── The page ──────────────────────────────────────────────────────────────────────────────────────────────────────
const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const [modelInput, imageInput, phraseInput, strengthInput] = ['model', 'image', 'phrase', 'strength'].map((id) =>
  byId<HTMLInputElement>(id),
) as [HTMLInputElement, HTMLInputElement, HTMLInputElement, HTMLInputElement];
const [engineSelect, mapSelect] = [byId<HTMLSelectElement>('engine'), byId<HTMLSelectElement>('map')];
const result = byId('result');
const view = new PictureView(byId('picture'), {
  low: byId('low'),
  high: byId('high'),
  caption: byId('caption'),
  bar: byId('bar'),
});

const setText = (id: string, text: string) => {
  byId(id).textContent = text;
};
const say = (text: string) => setText('status', text);

/** Errors stay until the person does the next thing; several are all shown. */
function complain(message: string, input?: HTMLElement): void {
  const line = document.createElement('p');
  line.style.margin = '0';
  line.textContent = message;
  byId('error').append(line);
  input?.setAttribute('aria-invalid', 'true');
}

function forgive(): void {
  byId('error').replaceChildren();
  for (const input of document.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
}

// ── Deeds, one after the other ────────────────────────────────────────────────────────────────────────────────────
let last: Promise<void> = Promise.resolve();

/** Runs when what was begun before is done; its error is shown beside the input that it is about. */
function enqueue(doing: string, deed: () => Promise<void>, input?: HTMLElement): Promise<void> {
  last = last.then(async () => {
    say(doing);
    await new Promise((shown) => setTimeout(shown, 30)); // the words reach the screen before a long computation
    try {
      await deed();
    } catch (error) {
      say('');
      complain((error as Error).message, input);
    }
  });
  return last;
}

// ── Engine ────────────────────────────────────────────────────────────────────────────────────────────────────────
const session = new Session(missingEngines(await browserOffers()), (message) => complain(message, engineSelect));

function showEngines(): void {
  const { reasons, engine } = session;
  engineSelect.replaceChildren(
    ...engineNames.map((name) => {
      const option = new Option(reasons[name] ? `${name} (not here)` : name, name, false, name === engine?.name);
      option.disabled = reasons[name] !== undefined;
      return option;
    }),
  );
  setText('engine-state', engine ? `In use: ${engine.name} ${engine.version}` : '');
  const lines = engineNames.flatMap((name) => (reasons[name] ? [`${name}: ${reasons[name]}`] : []));
  byId('engine-reasons').replaceChildren(
    ...lines.map((textContent) => Object.assign(document.createElement('li'), { textContent })),
  );
}

async function useEngine(name: EngineName): Promise<void> {
  try {
    await session.use(name);
  } finally {
    showEngines();
  }
}

engineSelect.addEventListener('change', () => {
  forgive();
  const name = engineSelect.value as EngineName;
  enqueue(
    `Starting ${name} …`,
    async () => {
      await useEngine(name);
      say(`Engine: ${session.engine!.name}.`);
      if (!result.hidden) await read();
    },
    engineSelect,
  );
});

// ── Model and image ───────────────────────────────────────────────────────────────────────────────────────────────
let picture: Picture | undefined;

function takeModel(name: string, bytes: () => Promise<Uint8Array>): Promise<void> {
  return enqueue(
    `Reading ${name} …`,
    async () => {
      const { settings } = session.load(await bytes());
      const { image, vocabulary } = settings;
      const side = `${image.crop} × ${image.crop} pixels`;
      setText('model-state', `${name}: reads ${side}, knows ${vocabulary.length} words and pieces`);
      result.hidden = true;
      say('The model is ready.');
    },
    modelInput,
  );
}

function takeImage(file: File): Promise<void> {
  return enqueue(
    `Reading ${file.name} …`,
    async () => {
      picture = await readImage(file);
      const { width, height } = picture.raster;
      setText('image-state', `${file.name}: ${width} × ${height} pixels`);
      result.hidden = true;
      say('The image is ready.');
    },
    imageInput,
  );
}

const takeModelFile = (file: File) => takeModel(file.name, async () => new Uint8Array(await file.arrayBuffer()));

function takeFile(file: File): Promise<void> {
  return file.name.endsWith('.safetensors') ? takeModelFile(file) : takeImage(file);
}

modelInput.addEventListener('change', () => {
  forgive();
  if (modelInput.files?.[0]) takeModelFile(modelInput.files[0]);
});
imageInput.addEventListener('change', () => {
  forgive();
  if (imageInput.files?.[0]) takeImage(imageInput.files[0]);
});

const dropping = (on: boolean) => document.body.classList.toggle('dropping', on);
addEventListener('dragover', (event) => {
  event.preventDefault();
  dropping(true);
});
addEventListener('dragleave', () => dropping(false));
addEventListener('drop', (event) => {
  event.preventDefault();
  dropping(false);
  forgive();
  for (const file of event.dataTransfer?.files ?? []) takeFile(file);
});

// ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────────
let maps: NamedMap[] = [];

function showMap(): string {
  const { map, of } = maps[Number(mapSelect.value)]!;
  const said = view.show(picture!, map, session.opened!.settings.image, of);
  view.draw(Number(strengthInput.value) / 100);
  return said;
}

function showReading(reading: PhraseReading): void {
  const groups = Object.entries(namedMaps(reading)).filter(([, group]) => group.length > 0);
  maps = groups.flatMap(([, group]) => group);
  mapSelect.replaceChildren(
    ...groups.map(([label, group]) => {
      const options = Object.assign(document.createElement('optgroup'), { label });
      options.append(...group.map((one) => new Option(one.label, String(maps.indexOf(one)))));
      return options;
    }),
  );
  const { settings, tokenizer } = session.opened!;
  setText('words', sayKnown(knownWords(phraseInput.value, tokenizer, settings.text)));
  const without = 'This model was trained with the global loss alone: words and pixels were never compared, so there are no keyword rounds.'; // biome-ignore format: one sentence
  byId('rounds').replaceChildren(reading.rounds.length ? roundsTable(reading) : without);
  result.hidden = false;
  setText('score', `Score: ${number(reading.score)}, the cosine of image and phrase, −1 to 1.`);
  say(`Done: score ${number(reading.score)}. ${showMap()}`);
  document.dispatchEvent(new CustomEvent('medalign:reading', { detail: { engine: session.engine!.name, ...reading } }));
}

/** Whether there was all that it takes. */
async function read(): Promise<boolean> {
  const needed: [boolean, string, HTMLElement][] = [
    [!session.opened, 'Choose a model first: model.safetensors of a run folder.', modelInput],
    [!picture, 'Choose an image first: a PNG or JPEG.', imageInput],
    [!/[\p{L}\p{N}]/u.test(phraseInput.value), 'Type a phrase first: at least one word.', phraseInput],
  ];
  const lacking = needed.filter(([lacks]) => lacks);
  for (const [, message, input] of lacking) complain(message, input);
  if (lacking.length > 0) {
    lacking[0]![2].focus();
    say('');
    return false;
  }
  try {
    showReading(await session.read(picture!, phraseInput.value));
    return true;
  } finally {
    showEngines();
  }
}

/** On a phone the result is below the form. */
function bringIntoView(element: HTMLElement): void {
  if (element.hidden || element.getBoundingClientRect().top < innerHeight / 2) return;
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  element.scrollIntoView({ behavior: still ? 'auto' : 'smooth' });
}

byId('form').addEventListener('submit', (event) => {
  event.preventDefault();
  forgive();
  enqueue('Computing …', async () => {
    if (await read()) bringIntoView(result);
  });
});
mapSelect.addEventListener('change', () => say(showMap()));
strengthInput.addEventListener('input', () => view.draw(Number(strengthInput.value) / 100));

// ── Start ─────────────────────────────────────────────────────────────────────────────────────────────────────────
enqueue('Starting …', async () => {
  await useEngine(session.reasons.wasm ? 'cpu' : 'wasm');
  say('');
});

const url = new URLSearchParams(location.search).get('model');
if (url) {
  takeModel(url, async () => {
    const failed = (why: string) =>
      new Error(`${url}: ${why}. Fix: the address of a model.safetensors that this page may read, or choose the file`);
    const response = await fetch(url).catch((error: Error) => {
      throw failed(error.message);
    });
    if (!response.ok) throw failed(`${response.status} ${response.statusText}`.trim());
    return new Uint8Array(await response.arrayBuffer());
  });
}
