/** The mock for work on the client: sign in as alice/alice (user) or maria/maria (manager).
 * `node mock/main.mjs [port] [host:port of a real VNC display]`
 */
import { createMock } from "./server.mjs";

const port = Number(process.argv[2] ?? 3399);
const mock = await createMock({ port, startDelay: 1200, display: process.argv[3] });
console.log(`${mock.url}  (alice/alice, maria/maria; POST /mock/cut, /mock/restore, /mock/faults {…}, …)`);
