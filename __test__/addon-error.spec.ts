import { readFileSync } from 'node:fs'

import test from 'ava'

import { type AddonFacts, describeLoadFailure, describeWrongAddon } from '../dist/addon-error.js'
import { currentHost, packagedPlatforms, platformName } from '../dist/addon-platform.js'

const linux = { os: 'linux', arch: 'x64', glibc: '2.36' }
const file = '/srv/node_modules/node-wasmtime-linux-x64-gnu/node-wasmtime.linux-x64-gnu.node'
const missing = [
  "Cannot find module './node-wasmtime.linux-x64-gnu.node'\nRequire stack:\n- /srv/binding.js",
  "Cannot find module 'node-wasmtime-linux-x64-gnu'\nRequire stack:\n- /srv/binding.js",
  "Cannot find module './node-wasmtime.wasi.cjs'",
]

function facts(more: Partial<AddonFacts> = {}): AddonFacts {
  const installed = new Map<string, string>()
  const none = { path: undefined, wasi: false, bundle: undefined }
  return { host: linux, nodeVersion: '24.1.0', version: '48.1.2', installed, attempts: missing, ...none, ...more }
}

/** The facts of an addon that is installed, and of which the system says something. */
function refused(message: string, more: Partial<AddonFacts> = {}): AddonFacts {
  const installed = new Map([['linux-x64-gnu', '48.1.2']])
  return facts({ installed, attempts: [missing[0] ?? '', message, missing[2] ?? ''], ...more })
}

test('there is a package for every target of package.json, and for no other', (t) => {
  const { napi } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    napi: { targets: string[] }
  }
  const arch: Record<string, string> = { x86_64: 'x64', aarch64: 'arm64' }
  const names = napi.targets.map((target) => {
    const [processor = '', , os = '', abi] = target.split('-')
    const glibc = abi === 'gnu' ? '2.28' : undefined
    const system = { linux: 'linux', darwin: 'darwin', windows: 'win32' }[os] ?? os
    return platformName({ os: system, arch: arch[processor] ?? processor, glibc })
  })
  t.deepEqual([...packagedPlatforms].toSorted(), names.toSorted())
})

test('the platform of this process is the one whose addon it has loaded', (t) => {
  const { os, arch } = currentHost()
  t.is(os, process.platform)
  t.is(arch, process.arch)
  t.true((packagedPlatforms as readonly string[]).includes(platformName(currentHost())))
})

test('a package that is not installed: its name, the bug of npm, and a command with the exact version', (t) => {
  const message = describeLoadFailure(facts())
  t.regex(message, /^node-wasmtime cannot load its native addon \(linux-x64-gnu, Node\.js 24\.1\.0\)\.\n/)
  t.regex(message, /node-wasmtime-linux-x64-gnu, which has the addon for this platform, is not installed/)
  t.regex(message, /https:\/\/github\.com\/npm\/cli\/issues\/4828/)
  t.regex(message, /\n {2}npm install --save-optional node-wasmtime-linux-x64-gnu@48\.1\.2\n/)
  t.regex(message, /remove node_modules and package-lock\.json/)
  t.regex(message, /docs\/packaging\.md/)
})

test('what was tried is listed without stacks, and without what this package never has', (t) => {
  const message = describeLoadFailure(facts())
  t.regex(
    message,
    /Tried:\n {2}Cannot find module '\.\/node-wasmtime\.linux-x64-gnu\.node'\n {2}Cannot find module 'node/,
  )
  t.notRegex(message, /Require stack|wasi/)
})

test('node_modules from another platform is told by the packages that are in it', (t) => {
  const message = describeLoadFailure(facts({ installed: new Map([['darwin-arm64', '48.1.2']]) }))
  t.regex(message, /There is node-wasmtime-darwin-arm64 instead: node_modules was installed on another platform/)
  t.notRegex(message, /issues\/4828/)
})

test('platforms without a package are told what there is, and 32-bit programs that they are', (t) => {
  const freebsd = describeLoadFailure(
    facts({ host: { os: 'freebsd', arch: 'x64', glibc: undefined }, attempts: ['Unsupported OS: freebsd'] }),
  )
  t.regex(freebsd, /\(freebsd-x64, /)
  t.regex(freebsd, /There is no package for freebsd on x64, only for: linux-x64-gnu, .*win32-arm64-msvc\./)
  t.regex(freebsd, /NAPI_RS_NATIVE_LIBRARY_PATH/)
  t.notRegex(freebsd, /32-bit|npm install/)
  const windows = describeLoadFailure(facts({ host: { os: 'win32', arch: 'ia32', glibc: undefined } }))
  t.regex(windows, /This Node\.js is a 32-bit program/)
})

test('an own build on another platform that does not load is told as such', (t) => {
  const message = describeLoadFailure(
    facts({
      host: { os: 'freebsd', arch: 'x64', glibc: undefined },
      attempts: ['/srv/node-wasmtime.freebsd-x64.node: Undefined symbol "x"'],
    }),
  )
  t.regex(message, /The addon is there, but the system does not load it: .*Undefined symbol "x"/)
  t.notRegex(message, /There is no package for/)
})

test('a glibc that is too old is told with both versions', (t) => {
  const text = `/lib64/libc.so.6: version \`GLIBC_2.28' not found (required by ${file})`
  const message = describeLoadFailure(refused(text, { host: { ...linux, glibc: '2.17' } }))
  t.regex(message, /The addon needs glibc 2\.28 or newer, and this system has 2\.17\./)
  t.notRegex(message, /is not installed/)
})

test('an addon of the other C library, of another platform, or damaged', (t) => {
  const other = [
    'Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by x.node)',
    'libc.musl-x86_64.so.1: cannot open shared object file: No such file or directory',
    'Error relocating x.node: gnu_get_libc_version: symbol not found',
  ]
  for (const text of other) t.regex(describeLoadFailure(refused(text)), /another C library \(glibc or musl\)/, text)
  const damaged = [
    `${file}: invalid ELF header`,
    `${file}: file too short`,
    '\\\\?\\C:\\x.node is not a valid Win32 application.',
    "dlopen(/x.node, 0x0001): tried: '/x.node' (not a mach-o file)",
    "dlopen(/x.node, 0x0001): tried: '/x.node' (mach-o file, but is an incompatible architecture)",
  ]
  for (const text of damaged) t.regex(describeLoadFailure(refused(text)), /is damaged, or was made for another/, text)
})

test('a file system without permission to execute', (t) => {
  const text = `${file}: failed to map segment from shared object: Operation not permitted`
  t.regex(describeLoadFailure(refused(text)), /noexec/)
})

test('a refusal that is not known is told in the words of the system', (t) => {
  const message = describeLoadFailure(refused('something new'))
  t.regex(message, /the system does not load it: something new\n/)
})

test('a package whose .node file is gone', (t) => {
  const text = `Cannot find module '${file}'. Please verify that the package.json has a valid "main" entry`
  t.regex(describeLoadFailure(refused(text)), /is installed, but its \.node file is missing/)
})

test('asar archives, bundles and WASI settings are told where they are the reason', (t) => {
  const plain = describeLoadFailure(facts())
  t.notRegex(plain, /asar|bundle|FORCE_WASI/)
  const asar = describeLoadFailure(refused('/opt/app.asar/node_modules/x.node: cannot open shared object file'))
  t.regex(asar, /asarUnpack\). See docs\/electron\.md/)
  const bundled = describeLoadFailure(facts({ bundle: '/srv/out.js' }))
  t.regex(bundled, /bundled \(into \/srv\/out\.js\).*keep node-wasmtime external/)
  t.regex(describeLoadFailure(facts({ wasi: true })), /there is no WASI build: unset both/)
})

test('the variable with the path of an addon: its value, the reason, and that nothing else is tried', (t) => {
  const gone = describeLoadFailure(facts({ path: '/x/a.node', attempts: ["Cannot find module '/x/a.node'\nRequire"] }))
  t.regex(
    gone,
    /NAPI_RS_NATIVE_LIBRARY_PATH is "\/x\/a\.node", which does not load: Cannot find module '\/x\/a\.node'\n/,
  )
  t.regex(gone, /nothing else is tried/)
  t.notRegex(gone, /npm install/)
  const old = describeLoadFailure(
    facts({ path: '/x/a.node', attempts: ["/lib/libc.so.6: version `GLIBC_2.38' not found (required by /x/a.node)"] }),
  )
  t.regex(old, /needs glibc 2\.38 or newer, and this system has 2\.36/)
})

test('an addon of another version: both versions, where it came from, and how to mend it', (t) => {
  const installed = new Map([['linux-x64-gnu', '48.1.1']])
  const fromPackage = describeWrongAddon(facts({ installed }), '48.1.1')
  t.regex(fromPackage, /is version 48\.1\.2, and .*node-wasmtime-linux-x64-gnu is version 48\.1\.1\./)
  t.regex(fromPackage, /npm install --save-optional node-wasmtime-linux-x64-gnu@48\.1\.2/)
  const fromPath = describeWrongAddon(facts({ path: '/x/a.node' }), '48.1.1')
  t.regex(fromPath, /NAPI_RS_NATIVE_LIBRARY_PATH names \(\/x\/a\.node\) is version 48\.1\.1\.\nUnset the variable/)
  t.regex(describeWrongAddon(facts(), '48.1.1'), /npm run build/)
  t.regex(describeWrongAddon(facts({ path: '/x/a.node' }), undefined), /is something else\./)
})
