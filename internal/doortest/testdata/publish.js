// Publishes each line of standard input, a payload in hex, with QoS 1. Prints how many
// were acknowledged, how often it connected, and how often its session was forgotten
// then. Arguments: host, port, version of the protocol (4 or 5).
const mqtt = require('mqtt');
const [host, port, version] = process.argv.slice(2);
const client = mqtt.connect({
  host, port: Number(port), protocolVersion: Number(version), clientId: 'node-' + version, clean: false,
  reconnectPeriod: 200, connectTimeout: 5000, keepalive: 5,
  properties: version === '5' ? { sessionExpiryInterval: 3600 } : undefined,
});
client.on('error', (err) => console.error(String(err)));
let taken = 0, acked = 0, ended = false, connects = 0, forgotten = 0;
client.on('connect', (connack) => {
  if (connects++ > 0 && !connack.sessionPresent) {
    forgotten++;
  }
});
const finish = () => {
  if (ended && acked === taken) {
    client.end(false, {}, () => { console.log(acked, connects, forgotten); process.exit(0); });
  }
};
// What is published while the client sends again what it kept is refused when that
// connection ends, too: the program has it still.
const send = (payload) => client.publish('data/sensor', payload, { qos: 1 }, (err) => {
  if (err) {
    setTimeout(send, 100, payload);
    return;
  }
  acked++;
  finish();
});
require('readline').createInterface({ input: process.stdin })
  .on('line', (line) => {
    taken++;
    send(Buffer.from(line, 'hex'));
  })
  .on('close', () => { ended = true; finish(); });
