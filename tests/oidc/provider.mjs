/** A real OpenID Connect provider for tests: who signs in is the account of the environment, without being asked. */
import { createServer } from "node:http";
import Provider from "oidc-provider";

// Whoever started it reads the first line only; the library's notices later must not end it.
process.stdout.on("error", () => {});

const { ACCOUNT = "ada", CLIENT_SECRET, REDIRECT_URI } = process.env;
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "fastx",
        client_secret: CLIENT_SECRET,
        redirect_uris: [REDIRECT_URI],
        grant_types: ["authorization_code"],
        response_types: ["code"],
      },
    ],
    pkce: { required: () => true },
    cookies: { keys: ["only for tests"] },
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email"] },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: async () => ({ sub: `id-of-${id}`, preferred_username: id, groups: ["ops", "artists"] }),
    }),
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope("openid profile email");
      await grant.save();
      return grant;
    },
  });
  const answer = provider.callback();
  server.on("request", (request, response) => {
    if (request.url.startsWith("/interaction/")) {
      const result = ACCOUNT ? { login: { accountId: ACCOUNT } } : { error: "access_denied" };
      provider.interactionFinished(request, response, result).catch((error) => {
        response.writeHead(500).end(String(error));
      });
    } else {
      answer(request, response);
    }
  });
  console.log(issuer);
});
