// The smallest plugin.

import { response } from './shared/http'

export function handle(): void {
  response.write('hello\n')
}
