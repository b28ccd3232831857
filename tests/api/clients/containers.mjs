// What Testcontainers' users do in node; prints what it found.
import { GenericContainer, Wait } from 'testcontainers';

const one = await new GenericContainer('busybox')
  .withCommand(['sh', '-c', 'echo hello >/tmp/index.html; echo ready; exec httpd -f -p 80 -h /tmp'])
  .withExposedPorts(80)
  .withWaitStrategy(Wait.forLogMessage('ready'))
  .start();
const answer = await fetch(`http://${one.getHost()}:${one.getMappedPort(80)}/`);
console.log('http', (await answer.text()).trim());
const done = await one.exec(['echo', 'inside']);
console.log('exec', done.exitCode, done.output.trim());
await one.copyContentToContainer([{ content: 'copied', target: '/tmp/c' }]);
console.log('copy', (await one.exec(['cat', '/tmp/c'])).output);
await one.stop();
