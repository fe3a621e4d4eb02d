// A program in AssemblyScript, with its WASI shim: arguments, environment, streams and exit codes.
const command = process.argv.length > 1 ? process.argv[1] : 'help'

if (command === 'args') {
  for (let index = 1; index < process.argv.length; index++) console.log(process.argv[index])
} else if (command === 'env') {
  const name = process.argv[2]
  console.log(process.env.has(name) ? process.env.get(name) : '(not set)')
} else if (command === 'upper') {
  const buffer = new ArrayBuffer(4096)
  let text = ''
  for (let count = process.stdin.read(buffer); count > 0; count = process.stdin.read(buffer)) {
    text += String.UTF8.decode(buffer.slice(0, count))
  }
  process.stdout.write(text.toUpperCase())
} else if (command === 'exit') {
  process.stderr.write('exits\n')
  process.exit(i32(parseInt(process.argv[2])))
} else if (command === 'many') {
  const count = i32(parseInt(process.argv[2]))
  for (let index = 0; index < count; index++) console.log('line ' + index.toString())
} else if (command === 'abort') {
  throw new Error('on purpose')
} else {
  process.stderr.write('unknown command\n')
  process.exit(2)
}
