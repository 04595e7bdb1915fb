// Which words of a caption the references have.

/** The words of a caption, each with whether it is part of the longest common subsequence with the nearest reference. */
function compareWords(caption, references) {
  const words = caption.split(/\s+/).filter(Boolean);
  const keys = words.map(bare);
  let nearest = { hits: new Set(), quality: -1 };
  for (const reference of references) {
    const others = reference.split(/\s+/).map(bare).filter(Boolean);
    const hits = commonWords(keys, others);
    const quality = (2 * hits.size) / (keys.length + others.length || 1);
    if (quality > nearest.quality) nearest = { hits, quality };
  }
  return { words: words.map((word, i) => [word, nearest.hits.has(i)]), exact: words.length > 0 && nearest.quality === 1 };
}

function bare(word) {
  return word.toLowerCase().replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "") || word;
}

/** Places in `a` of a longest common subsequence of two lists of words. */
function commonWords(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = a[i] === b[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const places = new Set();
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) { places.add(i); i += 1; j += 1; }
    else if (lengths[i + 1][j] >= lengths[i][j + 1]) i += 1;
    else j += 1;
  }
  return places;
}
