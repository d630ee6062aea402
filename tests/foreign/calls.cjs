// An official TypeScript SDK calls a tool of a server, with the client of a machine.
//
// What to do comes as JSON on standard input, so that no secret is in a list of processes: `sdk` (1 or 2), `era`,
// `url`, `issuer`, `client`, `secret`, `tool`, `arguments`, `calls`. What came of it goes as JSON to standard output.
"use strict";

const { text } = require("node:stream/consumers");

const NAME = { name: "quarterdeck-tests", version: "1" };

// The first major version, which knows the era of sessions alone.
function first() {
  const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
  const { ClientCredentialsProvider } = require("@modelcontextprotocol/sdk/client/auth-extensions.js");
  const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const version = (client, transport) => transport.protocolVersion;
  return { client: new Client(NAME), ClientCredentialsProvider, StreamableHTTPClientTransport, version };
}

// The second. It negotiates the era where it is told to.
function second(era) {
  const { Client, ClientCredentialsProvider, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
  const client = new Client(NAME, { versionNegotiation: { mode: era === "modern" ? "auto" : "legacy" } });
  const version = (client) => client.getNegotiatedProtocolVersion();
  return { client, ClientCredentialsProvider, StreamableHTTPClientTransport, version };
}

async function main() {
  const asked = JSON.parse(await text(process.stdin));
  const sdk = asked.sdk === 1 ? first() : second(asked.era);
  const statuses = [];
  const watched = async (url, options) => {
    const answer = await fetch(url, options);
    statuses.push(answer.status);
    return answer;
  };
  const authProvider = new sdk.ClientCredentialsProvider({
    clientId: asked.client,
    clientSecret: asked.secret,
    expectedIssuer: asked.issuer,
  });
  const transport = new sdk.StreamableHTTPClientTransport(new URL(asked.url), { authProvider, fetch: watched });
  await sdk.client.connect(transport);
  const { tools } = await sdk.client.listTools();
  const texts = [];
  for (let call = 0; call < asked.calls; call += 1) {
    const result = await sdk.client.callTool({ name: asked.tool, arguments: asked.arguments });
    texts.push(result.isError ? `the tool failed: ${JSON.stringify(result)}` : result.content[0].text);
  }
  const told = {
    version: sdk.version(sdk.client, transport),
    session: transport.sessionId ?? null,
    tools: tools.map((tool) => tool.name),
    texts,
    statuses,
  };
  await sdk.client.close();
  process.stdout.write(JSON.stringify(told));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
