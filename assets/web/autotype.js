// Types a line as a person would, so that the live loop sees keystrokes.

const KEY = [55, 140]; // ms from one key to the next
const WORD = [60, 190]; // more, between two words
const SENTENCE = [150, 380]; // more, after a comma or a stop

export class Autotype {
  /**
   * @param {(text: string) => void} write  takes the text so far
   * @param {(types: boolean) => void} changed  called with whether it types
   */
  constructor(write, changed) {
    this.write = write;
    this.changed = changed;
    this.running = false;
  }

  /**
   * @param {string} line
   * @param standing  what of the line stands there already
   */
  type(line, standing = "") {
    this.stop();
    this.running = true;
    this.changed(true);
    this.next(letters(line.slice(standing.length)), 0, standing);
  }

  /**
   * @param {string[]} all
   * @param {number} place
   * @param {string} text
   */
  next(all, place, text) {
    if (place === all.length) {
      this.stop();
      return;
    }
    const letter = all[place];
    this.write(text + letter);
    const pause = /[,.;:!?]/.test(letter) ? SENTENCE : letter === " " ? WORD : [0, 0];
    const wait = between(KEY) + between(pause);
    this.timer = setTimeout(() => this.next(all, place + 1, text + letter), wait);
  }

  stop() {
    clearTimeout(this.timer);
    if (!this.running) return;
    this.running = false;
    this.changed(false);
  }
}

/** @param {number[]} range */
const between = ([low, high]) => low + Math.random() * (high - low);

/** What one key makes: an emoji or a letter with its marks is not taken apart. @param {string} text */
function letters(text) {
  if (!Intl.Segmenter) return [...text];
  return [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)].map((each) => each.segment);
}
