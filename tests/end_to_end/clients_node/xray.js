// SPDX-License-Identifier: Apache-2.0
// xray.js DAEMON COUNT FOLDER: an application with the X-Ray SDK for Node.js; does the same as
// ../clients_python_xray/sdk_client.py.
'use strict';

const dgram = require('node:dgram');
const fs = require('node:fs');
const path = require('node:path');
const AWSXRay = require('aws-xray-sdk-core');
const emitter = require('aws-xray-sdk-core/dist/lib/segment_emitter');

const [daemon, countText, folder] = process.argv.slice(2);
const COUNT = Number(countText);
const BURST = 20;
const WINDOW = 100;
const SERVICE = 'shop-é';
const sent = fs.openSync(path.join(folder, 'sent'), 'w');
const socket = dgram.createSocket('udp4');
let sentCount = 0;

AWSXRay.setDaemonAddress(daemon);
AWSXRay.enableManualMode();
const sampler = AWSXRay.middleware.sampler;
// Every document goes through here: written down, then sent.
emitter.socket = {
  send(message, ...rest) {
    const text = message.toString('utf8');
    fs.writeSync(sent, JSON.stringify(text.slice(text.indexOf('\n') + 1)) + '\n');
    sentCount += 1;
    socket.send(message, ...rest);
  },
};

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

// Until the other side has read what was sent so far, and says so.
function waitForReader() {
  console.log(`so far ${sentCount}`);
  return new Promise((resolve) => process.stdin.resume().once('data', resolve));
}

async function waitForRules() {
  sampler.start();
  for (let i = 0; i < 400; i++) {
    if (sampler.ruleCache.rules.length > 0) {
      return;
    }
    await pause(50);
  }
  throw new Error('no sampling rules came');
}

// One request; every second one is for /none.
function serve(i) {
  const urlPath = i % 2 === 1 ? '/none' : `/item/${i}`;
  const decision = sampler.shouldSample(
      {host: 'shop.example', httpMethod: 'GET', urlPath, serviceName: SERVICE});
  const segment = new AWSXRay.Segment(SERVICE);
  if (typeof decision === 'string') {
    segment.setMatchedSamplingRule(decision);
  } else if (!decision) {
    segment.notTraced = true;
  }
  segment.http = {request: {url: `https://shop.example${urlPath}`, method: 'GET'},
                  response: {status: i % 10 === 0 ? 500 : 200}};
  segment.addAnnotation('i', i);
  segment.addAnnotation('text', `text-é-${i}`);
  segment.addMetadata('deep', {list: [i, i + 0.5, null, true], 'ö': '<&>'}, 'space');
  const step = segment.addNewSubsegment(`step ${i % 7}`);
  step.namespace = 'remote';
  step.addAnnotation('step', i % 7);
  if (i % 10 === 0) {
    step.addError(new TypeError(`told to fail: ${i}`));
  }
  step.close();
  segment.close();
}

async function main() {
  process.stdin.on('end', () => process.exit(0));
  await waitForRules();
  for (let i = 0; i < COUNT; i++) {
    serve(i);
    if (i % BURST === 0) {
      await pause(2);
    }
    if (i % WINDOW === 0) {
      await waitForReader();
    }
  }
  fs.closeSync(sent);
  console.log('sent');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
