// Names of what is generated: C identifiers and string literals from whatever a graph file says.

const RESERVED = new Set([
  'main',
  'flambeau',
  'new',
  'delete',
  'class',
  'int',
  'float',
  'double',
  'char',
  'void',
  'bool',
]);

/** A C identifier from a module's name: LeNet → lenet, 'my model 2' → my_model_2. Never empty, never a keyword of note. */
export function identifier(name: string): string {
  const clean = name
    .replace(/([a-z0-9])([A-Z])/g, (_m, a: string, b: string) => (/^[A-Z]/.test(name) ? a + b : `${a}_${b}`))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 64);
  return clean === '' || /^[0-9]/.test(clean) || RESERVED.has(clean) ? `model_${clean}`.replace(/_$/, '') : clean;
}

/** A C string literal; long ones are cut into pieces that compilers accept. Everything but plain ASCII is escaped in octal. */
export function cString(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const pieces: string[] = [];
  let piece = '';
  for (const b of bytes) {
    piece +=
      b === 0x22 || b === 0x5c || b === 0x3f
        ? `\\${String.fromCharCode(b)}`
        : b >= 0x20 && b < 0x7f
          ? String.fromCharCode(b)
          : `\\${b.toString(8).padStart(3, '0')}`;
    if (piece.length > 2000) {
      pieces.push(piece);
      piece = '';
    }
  }
  if (piece !== '' || pieces.length === 0) pieces.push(piece);
  return pieces.map((p) => `"${p}"`).join('\n    ');
}
