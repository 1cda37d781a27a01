export { OneTill } from './one-till';
export * from './props';
export type { Binary, FunctionName } from './function-names';
export type { Functions } from './functions';
export type { Roles } from './roles';
