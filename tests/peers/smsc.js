// A carrier for the tests: an SMSC made with npm `smpp`, which knows nothing of our client. It misbehaves as told.
//
// One JSON object on the command line, further ones as lines on stdin; each sets some of `manner`, or acts:
//   {"deliver": {...}}  send a deliver_sm with these fields     {"raw": "hex"}   write these octets to every bind
//   {"cut": true}       cut every connection                    {"unbind": true} unbind every session
//   {"rebuilt": true}   print the long messages put together    {"listen": false|true} stop or start to listen
// Everything it takes is one line of the file `log` before it is answered; what it prints on stdout is JSON too.

'use strict';
const fs = require('fs');
const smpp = require('smpp');

const manner = {
  port: 0,
  log: '', // file of what was taken, one JSON line each
  key: '', cert: '', // files, for TLS
  password: 'secret',
  delay_ms: 0, // before each answer
  throttle: 0, // the next so many submissions are sent back, by 0x58 and 0x14 in turn
  rate: 0, // above so many a second (a tenth of a second may be saved up), 0x58
  throttle_ms: 0, // from now on, for so long, everything is sent back
  refuse: '', // numbers that end so are refused with 0x0b
  silent: 0, // the next so many submissions are taken and never answered
  cut_after: 0, // cut the connection when so many have been taken
  cut_owing: 0, // the last so many before a cut are taken and not answered
  deaf: false, // does not answer enquire_link
  garbage: '', // instead of the next answer, these octets (hex)
  receipts: '', // '', once, twice, early (before the answer), shuffled (in lots of 50, any order), flood (10 each)
  receipt_form: 'text', // text, tlv, odd
  undelivered: '', // receipts of numbers that end so say UNDELIV
};
let taken = 0, nack = 0, rejected_deliveries = 0, acknowledged = 0, throttled = 0;
let throttleUntil = 0;
let tokens = 0, tokensAt = Date.now();
let log = null;
let shuffled = [];
const long = new Map();
const sessions = new Set();

function say(fact) { process.stdout.write(JSON.stringify(fact) + '\n'); }

function receipt(session, pdu, id) {
  const failed = manner.undelivered && pdu.destination_addr.endsWith(manner.undelivered);
  const stat = failed ? 'UNDELIV' : 'DELIVRD';
  const fields = { source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4 };
  if (manner.receipt_form === 'tlv') {
    fields.receipted_message_id = id;
    fields.message_state = failed ? 5 : 2;
  } else if (manner.receipt_form === 'odd') {
    fields.short_message = `Stat:${stat} ID: ${id}  err:000 Text:id:0 stat:EXPIRED`;
  } else {
    fields.short_message = `id:${id} sub:001 dlvrd:001 submit date:2111300900 done date:2111300901 ` +
      `stat:${stat} err:000 text:`;
  }
  session.deliver_sm(fields, (answer) => {
    if (answer.command_status) rejected_deliveries += 1; else acknowledged += 1;
  });
}

function receipts(session, pdu, id) {
  if (manner.receipts === 'shuffled') {
    shuffled.push([session, pdu, id]);
    if (shuffled.length >= 50) flushShuffled();
    return;
  }
  const times = { once: 1, twice: 2, flood: 10 }[manner.receipts] || 0;
  for (let k = 0; k < times; k += 1) receipt(session, pdu, id);
}

function flushShuffled() {
  const lot = shuffled;
  shuffled = [];
  // A fixed disorder: the last first, every third before all others.
  lot.reverse();
  for (const one of lot.filter((_, k) => k % 3 === 0)) receipt(...one);
  for (const one of lot.filter((_, k) => k % 3 !== 0)) receipt(...one);
}

function keepLong(pdu) {
  const udh = pdu.short_message.udh;
  if (!udh || !udh.length) return;
  const head = udh[0];
  const key = `${pdu.destination_addr}/${head[2]}`;
  if (!long.has(key)) long.set(key, new Array(head[3]).fill(null));
  long.get(key)[head[4] - 1] = pdu.short_message.message;
}

function tooFast() {
  if (!manner.rate) return false;
  const now = Date.now();
  tokens = Math.min(manner.rate / 10, tokens + ((now - tokensAt) * manner.rate) / 1000);
  tokensAt = now;
  if (tokens < 1) return true;
  tokens -= 1;
  return false;
}

function submit(session, pdu) {
  if (tooFast()) {
    throttled += 1;
    session.send(pdu.response({ command_status: 0x58 }));
    return;
  }
  if (manner.throttle > 0 || Date.now() < throttleUntil) {
    if (manner.throttle > 0) manner.throttle -= 1;
    throttled += 1;
    session.send(pdu.response({ command_status: throttled % 2 ? 0x58 : 0x14 }));
    return;
  }
  if (manner.refuse && pdu.destination_addr.endsWith(manner.refuse)) {
    session.send(pdu.response({ command_status: 0x0b }));
    return;
  }
  taken += 1;
  const id = `m${taken}`;
  if (manner.log) {
    const udh = pdu.short_message.udh && pdu.short_message.udh.map((part) => part.toString('hex'));
    fs.writeSync(log, JSON.stringify({
      id, to: pdu.destination_addr, from: pdu.source_addr, coding: pdu.data_coding, esm: pdu.esm_class,
      udh: udh || null, text: pdu.short_message.message, at: Date.now(),
    }) + '\n');
    keepLong(pdu);
  }
  const owing = manner.cut_after && taken > manner.cut_after - manner.cut_owing;
  if (manner.receipts === 'early') receipt(session, pdu, id);
  if (manner.silent > 0) {
    manner.silent -= 1;
  } else if (manner.garbage) {
    session.socket.write(Buffer.from(manner.garbage, 'hex'));
    manner.garbage = '';
  } else if (!owing) {
    const answer = () => {
      session.send(pdu.response({ message_id: id }));
      if (manner.receipts) receipts(session, pdu, id);
    };
    if (manner.delay_ms) setTimeout(answer, manner.delay_ms); else answer();
  }
  if (manner.cut_after && taken >= manner.cut_after) {
    manner.cut_after = 0;
    session.dropped = true;
    // What is written must leave before the cut.
    session.socket.end(() => session.socket.destroy());
  }
}

function listener(session) {
  sessions.add(session);
  session.on('error', () => {});
  session.on('close', () => sessions.delete(session));
  const bind = (pdu) => {
    if (pdu.password !== manner.password) {
      session.send(pdu.response({ command_status: 0x0e }));
      session.close();
      return;
    }
    session.send(pdu.response({ system_id: 'peer' }));
    say({ bound: pdu.command });
  };
  session.on('bind_transceiver', bind);
  session.on('bind_transmitter', bind);
  session.on('bind_receiver', bind);
  session.on('submit_sm', (pdu) => { if (!session.dropped) submit(session, pdu); });
  session.on('enquire_link', (pdu) => { if (!manner.deaf) session.send(pdu.response()); });
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); say({ unbound: true }); });
  session.on('generic_nack', (pdu) => { nack += 1; say({ nack: pdu.command_status, sequence: pdu.sequence_number }); });
}

let server = null;
function listen() {
  const options = manner.key ? { key: fs.readFileSync(manner.key), cert: fs.readFileSync(manner.cert) } : {};
  server = smpp.createServer(options, listener);
  server.on('error', (fault) => say({ fault: String(fault) }));
  server.on('tlsClientError', () => {});
  server.listen(manner.port, '127.0.0.1', () => {
    manner.port = server.address().port;
    say({ port: manner.port });
  });
}

function obey(order) {
  for (const [name, value] of Object.entries(order)) {
    if (name in manner) manner[name] = value;
  }
  if (order.throttle_ms) throttleUntil = Date.now() + order.throttle_ms;
  if (order.log) log = fs.openSync(order.log, 'a');
  if (order.cut) for (const session of sessions) session.destroy();
  if (order.unbind) for (const session of sessions) session.unbind();
  if (order.raw) for (const session of sessions) session.socket.write(Buffer.from(order.raw, 'hex'));
  if (order.flush) flushShuffled();
  if (order.listen === false) { server.close(); say({ listening: false }); }
  if (order.listen === true) listen();
  if (order.deliver) {
    const fields = { ...order.deliver };
    if (fields.short_message_hex) {
      fields.short_message = Buffer.from(fields.short_message_hex, 'hex');
      delete fields.short_message_hex;
    }
    for (const session of [...sessions].slice(0, 1)) {
      session.deliver_sm(fields, (answer) => {
        say({ delivered: answer.command_status, command: answer.command });
      });
    }
  }
  if (order.rebuilt) {
    say({ rebuilt: [...long].map(([key, parts]) => ({ key, text: parts.includes(null) ? null : parts.join('') })) });
  }
  if (order.ask) say({ taken, nack, acknowledged, rejected_deliveries, throttled, sessions: sessions.size });
}

process.stdin.setEncoding('utf8');
let rest = '';
process.stdin.on('data', (text) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop();
  for (const line of lines) if (line.trim()) { obey(JSON.parse(line)); say({ obeyed: true }); }
});
// Who started us has gone: nothing is left behind.
process.stdin.on('end', () => process.exit(0));
obey(JSON.parse(process.argv[2] || '{}'));
listen();
