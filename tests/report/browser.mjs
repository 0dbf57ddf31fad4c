// The browser of these tests, without a screen: CHROMIUM or Debian's, driven by playwright-core.
import { chromium } from 'playwright-core';

export const launched = (...args) => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', ...args],
});
