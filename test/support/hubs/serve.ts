import { exampleModels, exampleRepos } from './models.ts';
import { startHubs } from './server.ts';

// The hubs of the tests as a program: prints where they are, and serves until its standard input ends. The port that kagglehub's
// test environment looks at is 7777.

const size = Number(process.argv[2] ?? 100_000);
const hubs = await startHubs({ repos: exampleRepos(size), models: exampleModels(size), port: 7777 });
process.stdout.write(`${JSON.stringify({ endpoint: hubs.endpoint, storage: hubs.storage })}\n`);
process.stdin.resume().on('end', () => void hubs.close());
