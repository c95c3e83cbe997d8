// Files as one zip, stored as they are: pictures are compressed already. PKWARE's APPNOTE 6.3.10
// without zip64, so a part has less than 4 GiB and 65,535 files; `parts` keeps well below that.

const UTF8 = 0x0800; // names are
const PART = 2 ** 31; // bytes

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** CRC-32 of bytes. @param {Uint8Array<ArrayBuffer>} bytes */
export function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/**
 * A zip of files. Their bytes are read one after the other and not kept.
 * @param {Named[]} files
 * @param at  when they were made, a Date
 */
export async function zip(files, at = new Date()) {
  const content = [];
  const directory = [];
  const when = dosTime(at);
  let offset = 0;
  for (const { name, blob } of files) {
    const letters = new TextEncoder().encode(name);
    const crc = crc32(new Uint8Array(await blob.arrayBuffer()));
    const about = [[2, 20], [2, UTF8], [2, 0], ...when, [4, crc], [4, blob.size], [4, blob.size], [2, letters.length], [2, 0]];
    const head = record(0x04034b50, about);
    content.push(head, letters, blob);
    directory.push(record(0x02014b50, [[2, 20], ...about, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), letters);
    offset += head.length + letters.length + blob.size;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record(0x06054b50, [[2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0]]);
  return new Blob([...content, ...directory, end], { type: "application/zip" });
}

/** Files in as many groups as one zip each is good for. @param {Named[]} files */
export function parts(files, most = PART) {
  /** @type {Named[]} */
  let group = [];
  let bytes = 0;
  const groups = [group];
  for (const file of files) {
    if (bytes + file.blob.size > most && group.length) {
      [group, bytes] = [[], 0];
      groups.push(group);
    }
    group.push(file);
    bytes += file.blob.size;
  }
  return groups;
}

/**
 * A signature and fields of [bytes, value], all little-endian.
 * @param {number} signature
 * @param {number[][]} fields
 */
function record(signature, fields) {
  const all = [[4, signature], ...fields];
  const view = new DataView(new ArrayBuffer(all.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of all) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

/** Time and date as DOS wrote them, to two seconds. @param {Date} at */
function dosTime(at) {
  const time = (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1);
  const date = ((Math.max(1980, at.getFullYear()) - 1980) << 9) | ((at.getMonth() + 1) << 5) | at.getDate();
  return [[2, time], [2, date]];
}
