// How schema types and defaults are spelled in C++.
import type { Param, ParamType } from '../../src/ir/opinfo.js';
import { selfIndex, type Signature } from '../schema.js';

export const cppString = (s: string): string => JSON.stringify(s);
const DTYPES: Readonly<Record<string, string>> = {
  float32: 'Float32',
  float64: 'Float64',
  float16: 'Float16',
  bfloat16: 'BFloat16',
  int8: 'Int8',
  int16: 'Int16',
  int32: 'Int32',
  int64: 'Int64',
  uint8: 'UInt8',
  bool: 'Bool',
};
export const DTYPE_NAMES = Object.keys(DTYPES);
export const cppDType = (name: string): string => `DType::${DTYPES[name] ?? fail(`unknown dtype '${name}'`)}`;
function fail(message: string): never {
  throw new Error(message);
}

/** Parameter type as passed. */
export const PARAM_TYPE: Readonly<Record<ParamType, string>> = {
  Tensor: 'const Tensor&',
  'Tensor?': 'const Tensor&',
  'Tensor[]': 'TensorSpan',
  'Tensor?[]': 'TensorSpan',
  Operand: 'const Operand&',
  'Operand?': 'std::optional<Operand>',
  Scalar: 'Scalar',
  'Scalar?': 'std::optional<Scalar>',
  int: 'int64_t',
  'int?': 'std::optional<int64_t>',
  float: 'double',
  'float?': 'std::optional<double>',
  bool: 'bool',
  'bool?': 'std::optional<bool>',
  string: 'std::string_view',
  'string?': 'std::optional<std::string_view>',
  dtype: 'DType',
  'dtype?': 'std::optional<DType>',
  'int[]': 'IntSpan',
  'int[]?': 'std::optional<IntSpan>',
  'float[]': 'std::span<const double>',
  'float[]?': 'std::optional<std::span<const double>>',
  'Generator?': 'Generator*',
};
/** The same as an owned member of an autograd node. */
export const MEMBER_TYPE: Readonly<Partial<Record<ParamType, string>>> = {
  Scalar: 'Scalar',
  'Scalar?': 'std::optional<Scalar>',
  int: 'int64_t',
  'int?': 'std::optional<int64_t>',
  float: 'double',
  'float?': 'std::optional<double>',
  bool: 'bool',
  'bool?': 'std::optional<bool>',
  string: 'std::string',
  'string?': 'std::optional<std::string>',
  dtype: 'DType',
  'dtype?': 'std::optional<DType>',
  'int[]': 'Dims',
  'int[]?': 'std::optional<Dims>',
  'float[]': 'std::vector<double>',
};
/** Method of class Args (native/node/convert.h) that reads the type. */
export const ARGS_METHOD: Readonly<Record<ParamType, string>> = {
  Tensor: 'tensor',
  'Tensor?': 'optTensor',
  'Tensor[]': 'tensors',
  'Tensor?[]': 'optTensors',
  Operand: 'operand',
  'Operand?': 'optOperand',
  Scalar: 'scalar',
  'Scalar?': 'optScalar',
  int: 'integer',
  'int?': 'optInteger',
  float: 'floating',
  'float?': 'optFloating',
  bool: 'boolean',
  'bool?': 'optBoolean',
  string: 'string',
  'string?': 'optString',
  dtype: 'dtype',
  'dtype?': 'optDtype',
  'int[]': 'ints',
  'int[]?': 'optInts',
  'float[]': 'floats',
  'float[]?': 'optFloats',
  'Generator?': 'optGenerator',
};

export const isTensorType = (t: ParamType): boolean => t === 'Tensor' || t === 'Tensor?' || t === 'Operand';
export const isListType = (t: ParamType): boolean => t === 'Tensor[]' || t === 'Tensor?[]';
/** What a gradient can flow to or an array of values is taken from. `Operand?` is read by composite bodies only, which hand it on. */
export const isOperandLike = (t: ParamType): boolean => isTensorType(t) || isListType(t);

/** Default value as a C++ expression. */
export function cppDefault(p: Param): string {
  const d = p.default;
  if (d === undefined) return fail(`'${p.name}' has no default`);
  if (d === null)
    return p.type.startsWith('Tensor') ? 'Tensor()' : p.type === 'Generator?' ? 'nullptr' : 'std::nullopt';
  if (Array.isArray(d) && p.type.startsWith('float') && d.length === 0) return 'std::span<const double>()';
  if (Array.isArray(d)) return d.length === 0 ? 'IntSpan()' : `IntSpan(ops::kInts_${intsName(d as number[])})`;
  if (typeof d === 'string') return p.type.startsWith('dtype') ? cppDType(d) : cppString(d);
  if (p.type === 'Scalar' || p.type === 'Scalar?' || p.type === 'Operand')
    return `Scalar(${cppNumber(d as number | boolean)})`;
  if (p.type.startsWith('float')) return cppNumber(d as number, true);
  return String(d);
}
const cppNumber = (d: number | boolean, float = false): string => {
  const s = String(d);
  return (float || !Number.isInteger(d)) && typeof d === 'number' && !/[.e]/.test(s) ? `${s}.0` : s;
};
/** Name of the constant that holds an integer list default. */
export const intsName = (ints: readonly number[]): string => ints.map((i) => String(i).replace('-', 'm')).join('_');

export function returnType(s: Signature): string {
  switch (s.returns) {
    case 'tensor':
      return 'Tensor';
    case 'list':
      return 'TensorList';
    case 'self':
      return selfIndex(s) >= 0 ? 'const Tensor&' : 'void';
    case 'tuple':
      return `std::tuple<${s.results.map(() => 'Tensor').join(', ')}>`;
  }
}
/** Parameter list; with defaults in declarations. */
export function paramList(s: Signature, defaults = false): string {
  return s.params
    .map((p) => `${PARAM_TYPE[p.type]} ${p.name}${defaults && p.default !== undefined ? ` = ${cppDefault(p)}` : ''}`)
    .join(', ');
}
export const argList = (s: Signature): string => s.params.map((p) => p.name).join(', ');
export const pascal = (name: string): string => name[0]!.toUpperCase() + name.slice(1);
