// FLAMBEAU_LOG=graph,schedule,kernels,guards[,passes,build,all]: what the compiler did, on standard error, by topic.
// Notices are different: they are for every user, printed once each.

export const LOG_TOPICS = ['graph', 'passes', 'schedule', 'kernels', 'guards', 'build'] as const;
export type LogTopic = (typeof LOG_TOPICS)[number];

let enabled = parse(process.env['FLAMBEAU_LOG']);

function parse(text: string | undefined): ReadonlySet<string> {
  const names = (text ?? '')
    .split(',')
    .map((s) => s.trim())
    .filter((s) => s !== '');
  if (names.includes('all')) return new Set(LOG_TOPICS);
  const unknown = names.filter((n) => !(LOG_TOPICS as readonly string[]).includes(n));
  if (unknown.length > 0) {
    process.stderr.write(
      `flambeau: FLAMBEAU_LOG: unknown topic '${unknown.join("', '")}' (one of ${LOG_TOPICS.join(', ')}, all)\n`,
    );
  }
  return new Set(names);
}

/** Changes the topics while the program runs: the same text as the environment variable. */
export function setLog(topics: string): void {
  enabled = parse(topics);
}

export const logEnabled = (topic: LogTopic): boolean => enabled.has(topic);

/** Prints the lines of `text()` under a topic; `text` is not called when the topic is off. */
export function log(topic: LogTopic, text: () => string): void {
  if (!enabled.has(topic)) return;
  const lines = text()
    .replace(/\n$/, '')
    .split('\n')
    .map((l) => `[${topic}] ${l}\n`);
  process.stderr.write(lines.join(''));
}

const said = new Set<string>();

/** Tells the user something once: repeated notices with one key are dropped. */
export function notice(message: string, key: string = message): void {
  if (said.has(key)) return;
  said.add(key);
  process.stderr.write(`flambeau: ${message}\n`);
}
