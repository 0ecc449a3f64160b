import { defaultPatience, type Patience } from '../../../src/hub/network.ts';

/** As patient as by default, with waits that a test can wait for. */
export const quickPatience: Patience = {
  ...defaultPatience,
  wait: 5,
  longestWait: 20,
  longestAsked: 3000,
  stall: 5000,
};
