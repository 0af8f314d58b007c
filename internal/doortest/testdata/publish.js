// Publishes each line of standard input, a payload in hex, with QoS 1 and prints how
// many were acknowledged. Arguments: host, port, version of the protocol (4 or 5).
const mqtt = require('mqtt');
const [host, port, version] = process.argv.slice(2);
const client = mqtt.connect({
  host, port: Number(port), protocolVersion: Number(version), clientId: 'node-' + version, clean: false,
  reconnectPeriod: 200, connectTimeout: 5000, keepalive: 5,
  properties: version === '5' ? { sessionExpiryInterval: 3600 } : undefined,
});
client.on('error', (err) => console.error(String(err)));
let sent = 0, acked = 0, ended = false;
const finish = () => {
  if (ended && acked === sent) {
    client.end(false, {}, () => { console.log(acked); process.exit(0); });
  }
};
require('readline').createInterface({ input: process.stdin })
  .on('line', (line) => {
    sent++;
    client.publish('data/sensor', Buffer.from(line, 'hex'), { qos: 1 }, (err) => {
      if (err) { console.error(String(err)); process.exit(1); }
      acked++;
      finish();
    });
  })
  .on('close', () => { ended = true; finish(); });
