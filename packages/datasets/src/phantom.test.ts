import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Box, Finding, Raster } from './index';
import { phantomCategories, phantomChest } from './index';

const set = phantomChest({ seed: 3, patients: 150 });
const pixels = (image: unknown) => (image as Raster).data as Uint8Array;
const centre = (b: Box) => ({ x: b.x + b.width / 2, y: b.y + b.height / 2 });
const all = set.samples.flatMap((sample) => sample.findings!.map((finding) => ({ sample, finding })));
const apart = (a: Box, b: Box) =>
  a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;

describe('phantomChest', () => {
  it('gives the same image whatever the size of the set, and another with another seed', () => {
    const small = phantomChest({ seed: 3, patients: 4 });
    expect(small.samples).toEqual(set.samples.slice(0, small.samples.length));
    const other = phantomChest({ seed: 4, patients: 1 }).samples[0]!;
    expect(pixels(other.image)).not.toEqual(pixels(set.samples[0]!.image));
  });

  it('is the same on every machine', () => {
    const hash = createHash('sha256');
    for (const { image, text } of phantomChest({ seed: 1, patients: 5 }).samples)
      hash.update(pixels(image)).update(text);
    expect(hash.digest('hex').slice(0, 16)).toBe('d95ae2e51c6ef14f');
  });

  it('keeps to the ranges asked for', () => {
    const counts = set.samples.map((sample) => sample.findings!.length);
    expect(new Set(counts)).toEqual(new Set([0, 1, 2, 3]));
    const perPatient = new Map<string, number>();
    for (const { patientId } of set.samples) perPatient.set(patientId, (perPatient.get(patientId) ?? 0) + 1);
    expect(new Set(perPatient.values())).toEqual(new Set([1, 2, 3]));
    expect(new Set(all.map(({ finding }) => finding.category))).toEqual(new Set(phantomCategories));
    expect(new Set(set.samples.map(({ id }) => id)).size).toBe(set.counts.kept);
  });

  it('has boxes that are the extent of the mask, inside the image', () => {
    for (const { finding } of all) {
      const { box, mask } = finding;
      let [left, top, right, bottom] = [64, 64, 0, 0];
      mask!.forEach((inside, i) => {
        if (!inside) return;
        left = Math.min(left, i % 64);
        right = Math.max(right, (i % 64) + 1);
        top = Math.min(top, Math.floor(i / 64));
        bottom = Math.max(bottom, Math.floor(i / 64) + 1);
      });
      expect(box).toEqual({ x: left, y: top, width: right - left, height: bottom - top });
      expect(finding.boxes.length).toBe(finding.location!.startsWith('bilateral') ? 2 : 1);
    }
  });

  it('says each phrase in the report, and denies nothing that is there', () => {
    const denial: Record<string, RegExp> = {
      Pneumothorax: /no pneumothorax/i,
      'Pleural Effusion': /no (pleural )?effusion/i,
      Consolidation: /no (focal )?consolidation/i,
      Edema: /no (pulmonary edema|evidence of edema)/i,
      Cardiomegaly: /heart size is normal|not enlarged/i,
      Pneumonia: /no evidence of pneumonia/i,
      Atelectasis: /no atelectasis/i,
      'Lung Opacity': /no new opacity/i,
    };
    for (const { sample, finding } of all) {
      expect(sample.text.toLowerCase()).toContain(finding.phrase.toLowerCase());
      expect(sample.text).not.toMatch(denial[finding.category]!);
      expect(sample.labels![finding.category]).toBe(1);
    }
    expect(set.samples.filter(({ text }) => /\bno\b/i.test(text)).length).toBeGreaterThan(set.samples.length / 2);
  });

  it('uses side, zone and severity words that are true of the image: right is on the left', () => {
    let sided = 0;
    for (const { finding } of all) {
      const { phrase, severity } = finding;
      const { x, y } = centre(finding.box);
      if (/\bright\b/.test(phrase)) expect(x, phrase).toBeLessThan(32);
      if (/\bleft\b/.test(phrase)) expect(x, phrase).toBeGreaterThan(32);
      if (/\bright|left\b/.test(phrase)) sided++;
      if (/upper|apical|apex/.test(phrase)) expect(y, phrase).toBeLessThan(27);
      if (/lower|basilar|base/.test(phrase)) expect(y, phrase).toBeGreaterThan(33);
      if (/\b(small|mild|slight|minor|trace|tiny|minimal|faint|subtle)\b/.test(phrase))
        expect(severity).toBeLessThan(0.35);
      if (/\b(large|sizable|severe|marked|extensive|dense|pronounced)\b/.test(phrase))
        expect(severity).toBeGreaterThanOrEqual(0.7);
    }
    expect(sided).toBeGreaterThan(all.length / 3);
  });

  it('holds many same-category pairs, apart in the image, told apart by one attribute only', () => {
    const kinds = { side: 0, zone: 0, severity: 0 };
    for (const sample of set.samples) {
      const kind = sample.meta!.pair as keyof typeof kinds | undefined;
      const byCategory = new Map<string, Finding[]>();
      for (const f of sample.findings!) byCategory.set(f.category, [...(byCategory.get(f.category) ?? []), f]);
      const pair = [...byCategory.values()].find((list) => list.length > 1);
      expect(pair !== undefined).toBe(kind !== undefined);
      if (!pair || !kind) continue;
      kinds[kind]++;
      const [a, b] = pair as [Finding, Finding];
      expect(apart(a.box, b.box)).toBe(true);
      expect(a.phrase).not.toBe(b.phrase);
      const neutral = (p: string) => p.replace(/right|left/, 'SIDE');
      if (kind === 'side') expect(neutral(a.phrase)).toBe(neutral(b.phrase));
      if (kind === 'severity') {
        expect(`${a.phrase} ${b.phrase}`).not.toMatch(/right|left|upper|lower|base|basilar|apical|lateral|mid/);
        expect(Math.abs(a.severity! - b.severity!)).toBeGreaterThan(0.4);
      }
      if (kind === 'zone') expect(a.location!.split(' ')[0]).toBe(b.location!.split(' ')[0]);
    }
    expect(Math.min(...Object.values(kinds))).toBeGreaterThan(10);
    expect(kinds.side + kinds.zone + kinds.severity).toBeGreaterThan(0.25 * set.samples.length);
  });

  it('shows severe findings larger and clearer than mild ones, and mild ones near the noise', () => {
    const many = phantomChest({ seed: 5, patients: 60, findings: [1, 1], categories: ['Lung Opacity'] });
    const shown = many.samples.map((sample) => ({ sample, finding: sample.findings![0]! }));
    const contrasts = { mild: [] as number[], severe: [] as number[] };
    for (const { sample, finding } of shown) {
      if (!finding.location!.endsWith('upper')) continue;
      const data = pixels(sample.image);
      // The other lung, mirrored, is what the place would look like without the finding.
      let [inside, mirrored, n] = [0, 0, 0];
      finding.mask!.forEach((m, i) => {
        if (!m) return;
        inside += data[i]!;
        mirrored += data[i - (i % 64) + 63 - (i % 64)]!;
        n++;
      });
      if (finding.severity! < 0.3) contrasts.mild.push((inside - mirrored) / n / 255);
      if (finding.severity! > 0.75) contrasts.severe.push((inside - mirrored) / n / 255);
    }
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(contrasts.severe)).toBeGreaterThan(2 * mean(contrasts.mild));
    expect(mean(contrasts.mild)).toBeGreaterThan(0.01);
    expect(mean(contrasts.mild)).toBeLessThan(0.1);
  });

  it('works at other sizes, with the same findings and words', () => {
    const large = phantomChest({ seed: 3, patients: 2, size: 128 });
    expect(large.samples.map(({ text }) => text)).toEqual(
      set.samples.slice(0, large.samples.length).map(({ text }) => text),
    );
    expect(pixels(large.samples[0]!.image).length).toBe(128 * 128);
  });

  it('names a wrong option', () => {
    expect(() => phantomChest({ findings: [0, 9] })).toThrow(/findings: expected .* got \[0,9\]/);
    expect(() => phantomChest({ categories: ['Cough' as never] })).toThrow(
      /categories: expected names out of Atelectasis/,
    );
  });
});
