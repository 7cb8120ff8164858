// Loads checkpoint files of PyTorch and NumPy, and files that attack a reader, and compares what is in them.
//   npm run -s conformance:files -- [--data DIR] [--only REGEX] [--json]
// DIR is the conformance folder that holds checkpoints/ and hostile/, or either of the two. Files are loaded in other processes,
// so that a crash, a hang or too much memory is one failure and not the end.
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Answer, FileCase, Request } from './files/child.js';
import { readOptions, Report } from './runner.js';

interface ManifestFile extends FileCase {
  readonly marker?: string;
  readonly maxMemoryMB?: number;
  readonly maxSeconds?: number;
}
interface Manifest {
  readonly defaultMemoryMB?: number;
  readonly defaultSeconds?: number;
  readonly files: readonly ManifestFile[];
}
interface Task {
  readonly id: string;
  readonly dir: string;
  readonly file: ManifestFile;
  readonly seconds: number;
  readonly memoryMB: number;
}

const options = readOptions('.');
const report = new Report('files', options);
const folders = ['checkpoints', 'hostile']
  .map((name) => (basename(options.data) === name ? options.data : join(options.data, name)))
  .filter((dir) => existsSync(join(dir, 'manifest.json')));
if (folders.length === 0 && existsSync(join(options.data, 'manifest.json'))) folders.push(options.data);
if (folders.length === 0) throw new Error(`conformance:files: neither checkpoints/ nor hostile/ in '${options.data}'`);

const MARKERS = '/tmp';
const markers = (): string[] => readdirSync(MARKERS).filter((f) => f.startsWith('flambeau-pwned-'));
for (const m of markers()) rmSync(join(MARKERS, m), { recursive: true });

const tasks: Task[] = [];
for (const dir of folders) {
  const manifest = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as Manifest;
  for (const file of manifest.files) {
    const id = `${basename(dir)}/${file.file}`;
    if (options.only && !options.only.test(id)) continue;
    // Checkpoints have no limits of their own: a large one may take its size a few times.
    const memoryMB = file.maxMemoryMB ?? manifest.defaultMemoryMB ?? 300;
    tasks.push({ id, dir, file, memoryMB, seconds: file.maxSeconds ?? manifest.defaultSeconds ?? 30 });
  }
}

/** Seconds that a process may take to start on a busy machine. */
const START = 20;

/** A process that loads one file after the other; a new one after a crash or a hang. */
class Loader {
  private child: ChildProcess | null = null;

  async load(task: Task): Promise<Answer | string> {
    const child = (this.child ??= this.start());
    const request: Request = { dir: task.dir, case: task.file };
    return new Promise((resolve) => {
      const end = (result: Answer | string, over: boolean): void => {
        clearTimeout(timer);
        child.removeAllListeners('message');
        child.removeAllListeners('exit');
        if (over) {
          this.child = null;
          child.kill('SIGKILL');
        }
        resolve(result);
      };
      // The process measures its own time; this one ends it when it does not answer, its start allowed for.
      const timer = setTimeout(() => end(`no answer within ${task.seconds} s`, true), (task.seconds + START) * 1000);
      child.once('message', (m) => end(m as Answer, false));
      child.once('exit', (code, signal) => end(`the process ended (${signal ?? `code ${code}`})`, true));
      child.send(request);
    });
  }
  stop(): void {
    this.child?.removeAllListeners('exit');
    this.child?.disconnect();
    this.child = null;
  }
  private start(): ChildProcess {
    const path = fileURLToPath(new URL('files/child.ts', import.meta.url));
    return fork(path, {
      execArgv: [...process.execArgv, '--expose-gc'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }
}

function judge(task: Task, answer: Answer | string): void {
  const made = markers();
  for (const m of made) rmSync(join(MARKERS, m), { recursive: true });
  if (made.length > 0) return report.fail(task.id, `code of the file ran: ${made.join(', ')} appeared`);
  if (typeof answer === 'string') return report.fail(task.id, answer);
  if (answer.problem !== null) return report.fail(task.id, answer.problem);
  if (answer.seconds > task.seconds)
    return report.fail(task.id, `loading took ${answer.seconds.toFixed(1)} s, the limit is ${task.seconds} s`);
  if (answer.peakMB > task.memoryMB)
    return report.fail(task.id, `loading took ${answer.peakMB.toFixed(0)} MB, the limit is ${task.memoryMB} MB`);
  report.pass();
  const { extra } = answer;
  if (extra === null) return;
  if (extra.problem === null) report.pass();
  else if (extra.skip) report.skip(extra.id, extra.problem);
  else report.fail(extra.id, extra.problem);
}

let next = 0;
async function work(): Promise<void> {
  const loader = new Loader();
  for (let task = tasks[next++]; task !== undefined; task = tasks[next++]) judge(task, await loader.load(task));
  loader.stop();
}
await Promise.all([work(), work()]);
report.finish();
