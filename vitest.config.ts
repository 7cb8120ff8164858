// Unit and integration tests. Files run in separate processes: the addon keeps process-wide state (threads, generator).
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    env: { OMP_WAIT_POLICY: 'passive', GOMP_SPINCOUNT: '0' },
  },
});
