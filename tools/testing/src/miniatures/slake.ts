import { join } from 'node:path';
import { picture, put } from './files';

const organs = [
  [{ Liver: [4, 6, 12, 10] }, { Spleen: [20.5, 5, 6, 7] }],
  [{ 'Left Lung': [18, 4, 9, 20] }, { 'Right Lung': [3, 4, 9, 20] }, { Heart: [12, 14, 0, 0] }],
];

/** Image, language, question, answer, type, content. The last image has no file. */
const questions = {
  train: [
    [0, 'en', 'What modality is used to take this image?', 'CT', 'OPEN', 'Modality'],
    [0, 'zh', '这张图像是用什么模态拍摄的?', 'CT', 'OPEN', 'Modality'],
    [0, 'en', 'Does the picture contain liver? ', 'Yes', 'CLOSED', 'Organ'],
    [1, 'en', 'Which organs belong to the respiratory system in this image?', 'Lung,  Trachea', 'OPEN', 'KG'],
  ],
  validate: [[2, 'en', 'Is the lung healthy?', 'No', 'CLOSED', 'Abnormality']],
  test: [
    [3, 'en', 'Where is the spleen?', 'Upper Left.', 'OPEN', 'Position'],
    [3, 'zh', '图中包含脾脏吗?', '包含', 'CLOSED', 'Organ'],
    [4, 'en', 'Is this a study of the head?', 'Yes', 'CLOSED', 'Position'],
  ],
} as const;

/** SLAKE in small: 8 questions in two languages about 4 images, with organ boxes and masks of two of them. */
export async function miniatureSlake(folder: string, { validation = 'validate.json' } = {}) {
  let qid = 0;
  for (const [part, rows] of Object.entries(questions)) {
    const list = rows.map(([image, language, question, answer, type, content]) => ({
      img_id: 100 + image,
      img_name: `xmlab${100 + image}/source.jpg`,
      question,
      answer,
      q_lang: language,
      location: image === 1 ? 'Lung' : 'Abdomen',
      modality: image === 1 ? 'X-Ray' : 'CT',
      answer_type: type,
      base_type: content === 'KG' ? 'kvqa' : 'vqa',
      content_type: content,
      triple: ['vhead', '_', '_'],
      qid: qid++,
    }));
    await put(join(folder, part === 'validate' ? validation : `${part}.json`), JSON.stringify(list));
  }
  for (let i = 0; i < 4; i++) {
    const at = join(folder, 'imgs', `xmlab${100 + i}`);
    await put(join(at, 'source.jpg'), await picture('jpeg', 32, 28, i));
    if (!organs[i]) continue;
    await put(join(at, 'mask.png'), await picture('png', 32, 28, i));
    await put(join(at, 'detection.json'), JSON.stringify(organs[i]));
  }
}
