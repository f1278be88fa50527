/** The mock for work on the client: sign in as student/student (user) or operator/operator (manager).
 * `node mock/main.mjs [port] [host:port of a real VNC display]`
 */
import { createMock } from "./server.mjs";

const port = Number(process.argv[2] ?? 3399);
const mock = await createMock({
  port,
  startDelay: 1200,
  methods: ["ssh", "local", "oidc"],
  display: process.argv[3],
});
console.log(
  `${mock.url}  (student/student, operator/operator; POST /mock/cut, /mock/restore, /mock/faults {…}, …)`,
);
