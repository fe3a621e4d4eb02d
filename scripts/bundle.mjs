/** Makes one file of each entry in `dist/`, after the TypeScript compiler: a part of `npm run build:ts`. */
import { bundleEntries } from './lib/bundle.mjs'

await bundleEntries()
