// From logits to probabilities and decisions, by the file's own rule.

/** The probabilities of logits: a softmax over each group of classes, else a sigmoid. */
export function probabilities(logits, groups) {
  const found = Array.from(logits, (one) => 1 / (1 + Math.exp(-one)));
  for (const { first, last, classes } of groups) {
    if (!classes) continue;
    const own = Array.from(logits.slice(first, last));
    const largest = Math.max(...own);
    const weights = own.map((one) => Math.exp(one - largest));
    const sum = weights.reduce((a, b) => a + b, 0);
    weights.forEach((weight, place) => (found[first + place] = weight / sum));
  }
  return found;
}

/** Which labels logits stand for: the likeliest of each group of classes, the first of equals; others above one half. */
export function decided(logits, groups) {
  const found = Array.from(logits, (one) => one > 0);
  for (const { first, last, classes } of groups) {
    if (!classes) continue;
    const own = Array.from(logits.slice(first, last));
    const best = own.indexOf(Math.max(...own));
    own.forEach((_, place) => (found[first + place] = place === best));
  }
  return found;
}

/** The path of one row as steps: the node's name and its probability. */
export function steps(path, chances, nodes) {
  const found = [];
  for (let step = 0; step < path.length && path[step] >= 0; step++)
    found.push({ name: nodes[Number(path[step])], chance: chances[step] });
  return found;
}
