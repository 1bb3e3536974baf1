// SPDX-License-Identifier: Apache-2.0
// Sends COUNT items of every type hot-shots knows to 127.0.0.1:PORT, then says so and leaves.
'use strict';

const StatsD = require('hot-shots');

const port = Number(process.argv[2]);
const count = Number(process.argv[3]);
const client = new StatsD({
  host: '127.0.0.1',
  port,
  prefix: 'node.',
  maxBufferSize: 1400,
  bufferFlushInterval: 10,
  errorHandler: (error) => {
    console.error(error);
    process.exit(1);
  },
});

function sendOne(i) {
  client.increment('counter', 2, ['tag:a']);
  client.decrement('down', 1);
  client.gauge('gauge', i + 0.5);
  client.gaugeDelta('delta', 1);
  client.timing('timing', i % 10);
  client.histogram('histogram', i % 4);
  client.distribution('distribution', i % 8);
  client.set('set', `member-${i % 100}`);
  client.unique('unique', `member-${i % 50}`);
  client.check('check', client.CHECKS.OK, {message: `check ${i}`});
  client.event('title', `text ${i}`, {alert_type: 'warning'}, ['tag:a']);
}

// A pause between bursts, so that a small receive buffer suffices.
function burst(first) {
  const limit = Math.min(first + 100, count);
  for (let i = first; i < limit; i++) {
    sendOne(i);
  }
  if (limit < count) {
    setTimeout(burst, 5, limit);
    return;
  }
  client.close(() => console.log('sent'));
}

burst(0);
