// The second half of `npm run build`: writes constants out in what tsc has compiled of src. An imported constant is a load and a check
// for V8, in every place where it is used, and not a number (docs/decisions/0024-constants-are-written-out.md).

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Constants } from './constants.js';
import { inline, readModule } from './inline.js';

const folder = fileURLToPath(new URL('../src', import.meta.url));
const modules = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.js'))
  .map((name) => join(folder, name))
  .map((path) => readModule(path, readFileSync(path, 'utf8')));
const constants = new Constants(modules);
for (const module of modules) {
  const text = inline(module, constants.of(module.path));
  if (text !== module.text) writeFileSync(module.path, text);
}
