/** Tells a story: one line per chapter with what it proved, and how long it took. */
export class Story {
  private readonly started = performance.now();
  private number = 0;

  constructor(private readonly say: (line: string) => void = (line) => console.error(line)) {}

  async chapter(title: string, play: () => Promise<string>): Promise<void> {
    this.number += 1;
    const started = performance.now();
    try {
      const proved = await play();
      this.say(`${this.number}. ${title}: ${proved} (${seconds(started)})`);
    } catch (error) {
      this.say(`${this.number}. ${title}: FAILED (${seconds(started)})`);
      throw error;
    }
  }

  end(): void {
    this.say(`The rehearsal passed in ${seconds(this.started)}.`);
  }
}

const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(0)} s`;
