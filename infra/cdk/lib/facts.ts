import facts from './facts.json';

/** What the code of the functions and of the table says of the deployment. `cargo xtask generate` writes it. */
export const FACTS = facts;

/** Names and what they stand for: resources, `Table.Arn`, and settings under the names of SAM's parameters. */
export type Named = Readonly<Record<string, string>>;

/**
 * The same value with every `${name}` in its texts replaced.
 * @throws an error that names what is not known.
 */
export function filledIn<T>(value: T, named: Named): T {
  return JSON.parse(JSON.stringify(value), (_, part: unknown) =>
    typeof part === 'string' ? part.replace(/\$\{([^}]+)\}/g, (_, name: string) => meaningOf(name, named)) : part,
  ) as T;
}

function meaningOf(name: string, named: Named): string {
  const meaning = named[name];
  if (meaning === undefined) throw new Error(`facts.json names ${name}, which the construct does not know`);
  return meaning;
}
