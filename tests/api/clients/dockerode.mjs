// What dockerode's users do; prints a line for each thing that went well.
import Docker from 'dockerode';
import { PassThrough } from 'node:stream';

const docker = new Docker(); // by DOCKER_HOST
const options = { HostConfig: { NetworkMode: 'none' } };

function kept() {
  const stream = new PassThrough();
  const pieces = [];
  stream.on('data', (piece) => pieces.push(piece));
  return { stream, text: () => Buffer.concat(pieces).toString() };
}

const [out, err] = [kept(), kept()];
const [ended, made] = await docker.run(
  'busybox', ['sh', '-c', 'echo out; echo err >&2; exit 3'], [out.stream, err.stream],
  { ...options, Tty: false });
console.log('run', ended.StatusCode, out.text().trim(), err.text().trim());
await made.remove();

const container = await docker.createContainer(
  { Image: 'busybox', Cmd: ['sleep', '1000'], name: 'rode', StopSignal: 'SIGKILL', ...options });
await container.start();
const exec = await container.exec(
  { Cmd: ['cat'], AttachStdin: true, AttachStdout: true, AttachStderr: true });
const stream = await exec.start({ hijack: true, stdin: true });
const said = kept();
docker.modem.demuxStream(stream, said.stream, said.stream);
stream.write('typed');
stream.end();
await new Promise((resolve) => stream.on('end', resolve));
console.log('exec', said.text(), (await exec.inspect()).ExitCode);

const list = await docker.listContainers({ filters: { name: ['rode'] } });
console.log('list', list.length, list[0].State);
const stats = await container.stats({ stream: false });
console.log('stats', stats.pids_stats.current >= 1);
await container.stop({ t: 0 });
console.log('wait', (await container.wait()).StatusCode);
await container.remove();

const pull = await docker.pull('busybox:latest');
await new Promise((resolve, reject) =>
  docker.modem.followProgress(pull, (error, found) => (error ? reject(error) : resolve(found))));
console.log('pull', (await docker.getImage('busybox').inspect()).RepoTags.length);
const volume = await docker.createVolume({ Name: 'rodes' });
await volume.remove();
try {
  await docker.getContainer('nothing').inspect();
} catch (error) {
  console.log('missing', error.statusCode);
}
