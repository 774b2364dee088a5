// Starts `@modelcontextprotocol/server-everything`. This server reads its port from the
// environment, does not print when it is ready, supports only legacy clients, and listens on all
// addresses.
//
//   everything_server.mjs --port N      listens on N (0: any free port), and prints the port

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const probe = createServer().listen(Number(values.port), '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address();
probe.close();
await once(probe, 'close');

process.env.PORT = port;
// The server's own lines with this text must not reach stdout, since the test waits for the line
// below.
const complain = console.error;
console.log = console.error = (said, ...more) => {
    if (!String(said).includes('listening on')) {
        complain(said, ...more);
    }
};
await import('@modelcontextprotocol/server-everything/dist/transports/streamableHttp.js');

for (let listens = false; !listens; await sleep(10)) {
    const socket = connect(port, '127.0.0.1');
    listens = await once(socket, 'connect').then(() => true, () => false);
    socket.destroy();
}
process.stdout.write(`listening on http://127.0.0.1:${port}/mcp\n`);
