// The FluentServer of @fluent-org/logger as a program: node server.js OPTIONS
//
// OPTIONS is JSON: port (0 for any), security and tlsOptions as FluentServer takes them (key, cert
// and ca as file names), `print` ("entries" or "ids"), `path` (a file instead of standard output).
//
// Prints JSON lines: {"listening": PORT}, and before each chunk is acknowledged {"chunk", "tag",
// "entries": [[seconds, nanoseconds, record], ...]} or {"chunk", "tag", "ids": [...]}. They are
// written at once, so that what was acknowledged stands there even when this process is killed.
"use strict";

const fs = require("fs");
const path = require("path");
const library = path.join(__dirname, "../../npm/node_modules/@fluent-org/logger/build/src");
const protocol = require(path.join(library, "protocol"));
const { FluentServer } = require(path.join(library, "server"));

const options = JSON.parse(process.argv[2]);
const output = options.path ? fs.openSync(options.path, "a") : 1;

function say(value) {
  let rest = Buffer.from(JSON.stringify(value) + "\n");
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(output, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

const parseTransport = protocol.parseTransport;
protocol.parseTransport = (message) => {
  const { tag, entries, chunk } = parseTransport(message);
  if (options.print === "ids") {
    say({ chunk, tag, ids: entries.map(([, record]) => record.id) });
  } else {
    const told = entries.map(([time, record]) => [time.epoch, time.nano, record]);
    say({ chunk, tag, options: message[2], bytes: message[1].length, entries: told });
  }
  return { tag, entries, chunk };
};

const tlsOptions = options.tlsOptions && { ...options.tlsOptions };
for (const name of ["key", "cert", "ca"]) {
  if (tlsOptions && tlsOptions[name]) tlsOptions[name] = fs.readFileSync(tlsOptions[name]);
}
const server = new FluentServer({
  listenOptions: { port: options.port, host: "127.0.0.1" },
  security: options.security,
  tlsOptions,
});
server.listen().then(() => {
  fs.writeSync(1, JSON.stringify({ listening: server.port }) + "\n");
});
// Nobody outlives the test that started it.
process.stdin.on("end", () => process.exit(0)).resume();
