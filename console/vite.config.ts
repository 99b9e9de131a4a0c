import { defineConfig } from 'vite'

// Relative, so that a proxy may serve the broker under a path of its own; no inlined data, which the page's policy refuses.
export default defineConfig({
  base: './',
  root: import.meta.dirname,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/console',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
  logLevel: 'warn',
})
