// Binary data.

/** A copy of binary data, whose owner may change it; null if it is none. */
export function bufferOf(data) {
  const { buffer = data, byteOffset = 0, byteLength } = data ?? {};
  if (!(byteLength >= 0 && buffer.slice)) return null; // instanceof fails for other realms
  return buffer.slice(byteOffset, byteOffset + byteLength);
}
