// Connects with a last will, says that it is there and prints "there". Then it does
// nothing. Arguments: host, port, version of the protocol (4 or 5), name, payload of the
// will and of the message, in hex.
const mqtt = require('mqtt');
const [host, port, version, name, will, hello] = process.argv.slice(2);
const client = mqtt.connect({
  host, port: Number(port), protocolVersion: Number(version), clientId: name, keepalive: 5,
  will: { topic: 'lwt/' + name, payload: Buffer.from(will, 'hex'), qos: 1 },
});
client.on('error', (err) => console.error(String(err)));
client.on('connect', () => client.publish('connect/' + name, Buffer.from(hello, 'hex'), { qos: 1 }, (err) => {
  console.log(err ? String(err) : 'there');
}));
