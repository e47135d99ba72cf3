import { loadImage, phantomChest } from '@medalign/datasets';
import sharp from 'sharp';

/** Image files made from a phantom, and files that are none. */
export async function writeImages(folder: string) {
  const [sample] = phantomChest({ patients: 1, seed: 5, size: 200 }).samples;
  const { data, width, height, channels } = await loadImage(sample!.image);
  const levels = Buffer.from(Uint8Array.from(data, (v) => (data instanceof Uint8Array ? v : Math.round(255 * v))));
  const grey = sharp(levels, { raw: { width, height, channels: channels as 1 } });
  const wide = () => grey.clone().resize(300, 170, { fit: 'fill' });
  const files = {
    grey: `${folder}/grey.png`,
    photo: `${folder}/photo.jpg`,
    transparent: `${folder}/transparent.png`,
    text: `${folder}/text.png`,
    broken: `${folder}/broken.png`,
  };
  await wide().toColourspace('b-w').png().toFile(files.grey);
  // a colour photograph on its side: EXIF says how it is upright
  const tinted = wide().toColourspace('srgb').tint({ r: 240, g: 220, b: 160 });
  await tinted.jpeg({ quality: 92, chromaSubsampling: '4:4:4' }).withMetadata({ orientation: 6 }).toFile(files.photo);
  const circle = Buffer.from('<svg width="300" height="170"><circle cx="150" cy="85" r="80" fill="#fff"/></svg>');
  const masked = await wide().toColourspace('srgb').png().toBuffer();
  await sharp(masked)
    .ensureAlpha()
    .composite([{ input: circle, blend: 'dest-in' }])
    .png()
    .toFile(files.transparent);
  const { writeFile, readFile } = await import('node:fs/promises');
  await writeFile(files.text, 'a note, not an image');
  const whole = await readFile(files.grey);
  await writeFile(files.broken, whole.subarray(0, 60));
  return files;
}
