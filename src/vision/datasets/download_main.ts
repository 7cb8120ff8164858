// The program that fetches files while a constructor waits for them: node download_main.js '<files as JSON>'.
import { downloadAll, type RemoteFile } from './download.js';

try {
  await downloadAll(JSON.parse(process.argv[2]!) as RemoteFile[]);
} catch (e) {
  process.stdout.write((e as Error).message);
  process.exitCode = 1;
}
