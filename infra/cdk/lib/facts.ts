import facts from './facts.json';
import type { Tables } from './tables';

/** What the code of the functions and of the table says of the deployment. `cargo xtask generate` writes it. */
export const FACTS = facts;

/** Names and what they stand for: resources, `Table.Arn`, and settings under the names of SAM's parameters. */
export type Named = Readonly<Record<string, string>>;

/** The tables, under the names that facts.json has for them: `TableOfOrders` is the table that orders are in. */
export function namesOfTables(tables: Tables): Named {
  const named = [{ name: 'Table', kind: '' }, ...FACTS.tables.own.map(({ kind }) => ({ name: `TableOf${kind}`, kind }))];
  return Object.fromEntries(
    named.flatMap(({ name, kind }) => {
      const { table } = tables.holding(kind);
      return [
        [name, table.ref],
        [`${name}.Arn`, table.attrArn],
        [`${name}.StreamArn`, table.attrStreamArn],
      ];
    }),
  );
}

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
