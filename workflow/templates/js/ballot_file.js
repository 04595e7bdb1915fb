// Votes of the blind comparison as a file and as what the browser keeps. scoring/ballots.py reads the same files.

const voteNames = ["left", "right", "alike", "neither"];
const votesKey = `votes of ${summary.experiment}, ${summary.ballot.report}`;

/** A fault of a file, in words for the rater. */
class BallotError extends Error {}

/** One sample and two systems, whichever side they are on. */
function keyOfVote({ sample, left, right }) {
  return JSON.stringify([sample, ...inOrder(left, right)]);
}

/** Two systems in the order of the configuration. */
function inOrder(left, right) {
  return systemIndex.get(left) < systemIndex.get(right) ? [left, right] : [right, left];
}

/** The file of a rater's votes. `view` are the explorer's controls as the text of a link. */
function ballotText({ rater, seed, drawings, pairing }, votes, view) {
  const voted = [...new Set(votes.flatMap(({ left, right }) => [left, right]))];
  return JSON.stringify({
    version: summary.ballot.version, experiment: summary.experiment, report: summary.ballot.report, rater: rater.trim(),
    seed, n_drawings: drawings, pairing, view, drawings: summary.ballot.drawings,
    captions: Object.fromEntries(voted.map((name) => [name, summary.ballot.captions[name]])), votes,
  }, null, 1);
}

/** {settings, view, votes} of a file, which may come from anywhere. Throws BallotError for one of other captions. */
function readBallotText(text, known) {
  let raw;
  try {
    raw = JSON.parse(text);
  } catch {
    throw new BallotError("This file is not JSON. Choose one that this page saved.");
  }
  if (raw?.version !== summary.ballot.version || !Array.isArray(raw.votes)) {
    throw new BallotError("This file holds no votes, or those of another version of the report.");
  }
  if (raw.drawings !== summary.ballot.drawings) throw new BallotError("These votes are of another report: its drawings are other ones.");
  for (const vote of raw.votes) {
    const { sample, left, right, filter } = vote ?? {};
    if (!known.has(sample) || !voteNames.includes(vote.vote) || typeof filter !== "string" || left === right) {
      throw new BallotError("A vote of this file is damaged, or on a drawing that this report does not have.");
    }
    for (const name of [left, right]) {
      if (!systemIndex.has(name)) throw new BallotError(`This file has votes on ${name}, a system that this report does not have.`);
      if (raw.captions?.[name] !== summary.ballot.captions[name]) {
        throw new BallotError(`This file has votes on other captions of ${summary.systems[systemIndex.get(name)].label} than those of this report.`);
      }
    }
  }
  return {
    settings: {
      rater: String(raw.rater ?? "").trim(), seed: Math.trunc(Number(raw.seed)) || 0, pairing: raw.pairing === "any" ? "any" : "ab",
      drawings: Number.isInteger(raw.n_drawings) && raw.n_drawings > 0 ? raw.n_drawings : null,
    },
    view: String(raw.view ?? ""),
    votes: raw.votes.map(({ sample, left, right, vote, filter }) => ({ sample, left, right, vote, filter })),
  };
}

/** What this browser kept: {settings, votes}. Browsers may refuse storage to files from disk. */
function readKept() {
  try {
    const { settings, votes } = JSON.parse(localStorage.getItem(votesKey) ?? "{}");
    return { settings: settings ?? {}, votes: votes ?? [] };
  } catch {
    return { settings: {}, votes: [] };
  }
}

/** Whether the browser keeps them; otherwise the votes last as long as the page. */
function keepVotes({ rater, seed, drawings, pairing }, votes) {
  try {
    localStorage.setItem(votesKey, JSON.stringify({ settings: { rater, seed, drawings, pairing }, votes }));
    return true;
  } catch {
    return false;
  }
}
