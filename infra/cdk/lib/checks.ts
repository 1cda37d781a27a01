import { Token } from 'aws-cdk-lib';

/** What is wrong with a value, or nothing. A value that is known only at deployment is believed. */
export type Problems = string[];

export function text(name: string, value: string, pattern: RegExp, meaning: string): Problems {
  if (Token.isUnresolved(value) || pattern.test(value ?? '')) return [];
  return [`${name} is ${JSON.stringify(value)}, but has to be ${meaning}`];
}

export function whole(name: string, value: number, least: number, most = Infinity): Problems {
  if (Token.isUnresolved(value) || (Number.isInteger(value) && value >= least && value <= most)) return [];
  const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
  return [`${name} is ${value}, but has to be a whole number ${range}`];
}

export function oneOf<T>(name: string, value: T, values: readonly T[]): Problems {
  return values.includes(value) ? [] : [`${name} is ${value}, but has to be one of ${values.join(', ')}`];
}

export function inOrder(less: string, lower: number, more: string, higher: number): Problems {
  if (Token.isUnresolved(lower) || Token.isUnresolved(higher) || !(lower > higher)) return [];
  return [`${less} is ${lower}, more than ${more}, which is ${higher}`];
}

/** A cookie is never sent to just any storefront, so a star is no origin here. */
export function origins(name: string, values: string[]): Problems {
  if (Token.isUnresolved(values)) return [`${name} has to be known at synth`];
  if (!values?.length) return [`${name} is empty: no browser could call`];
  return values.flatMap((one) => text(name, one, /^https?:\/\/[^\s/*?#@,]+$/, 'origins such as https://shop.example'));
}
