import { CfnDeletionPolicy } from 'aws-cdk-lib';
import { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

import { FACTS } from './facts';
import type { ProvisionedCapacity, TableExport } from './props';
import type { Settings } from './settings';

/** The kinds of data that can have a table of their own, as facts.json names them. */
export type Kind = 'Catalogue' | 'Orders' | 'Sessions';

/** A table, and what its alarms and its scaling are called. */
export interface DataTable {
  /** The kind of data that it is for; nothing of the one with everything else. */
  readonly kind: Kind | '';
  readonly prefix: string;
  /** Such as `the table of orders`, in the description of an alarm. */
  readonly described: string;
  readonly table: CfnTable;
  readonly capacity: Required<ProvisionedCapacity> | undefined;
}

/** An index, in the table that its data is in. */
export interface DataIndex {
  /** What the resources that belong to it are named after. */
  readonly prefix: string;
  readonly name: string;
  readonly of: DataTable;
}

/** The tables of a shop. Everything is in the first, but for the kinds of data that have one of their own. */
export class Tables {
  constructor(readonly all: readonly [DataTable, ...DataTable[]]) {}

  get main(): CfnTable {
    return this.all[0].table;
  }

  get indexes(): DataIndex[] {
    return FACTS.tables.indexes.map(({ prefix, name, kind }) => ({ prefix, name, of: this.holding(kind) }));
  }

  /** The table that a kind of data is in. */
  holding(kind: string): DataTable {
    return this.all.find((one) => one.kind === kind) ?? this.all[0];
  }

  /** The table of its own that a kind of data has, if it has one. */
  own(kind: string): CfnTable | undefined {
    return this.all.slice(1).find((one) => one.kind === kind)?.table;
  }
}

/** What differs between tables. */
interface Written {
  readonly id: string;
  readonly name: string;
  readonly kinds: readonly string[];
  readonly capacity: Required<ProvisionedCapacity> | undefined;
  readonly restore: TableExport | undefined;
}

/** The tables, with the keys and indexes of `shared/table/src/schema.rs`. */
export function addTables(scope: Construct, settings: Settings, key: CfnKey): Tables {
  const { name, capacity, restore } = settings.table;
  const shared = FACTS.tables.own.filter(({ kind }) => settings.ownTables[kind as Kind] === undefined);
  const kinds = shared.map(({ kind }) => kind);
  const table = addTable(scope, settings, key, { id: 'Table', name, kinds, capacity, restore });
  const own = FACTS.tables.own.flatMap(({ kind, resource, prefix, described }): DataTable[] => {
    const of = settings.ownTables[kind as Kind];
    if (!of) return [];
    const written = { id: resource, kinds: [kind], ...of };
    return [{ kind: kind as Kind, prefix, described, capacity: of.capacity, table: addTable(scope, settings, key, written) }];
  });
  return new Tables([{ kind: '', prefix: 'Table', described: 'the table', capacity, table }, ...own]);
}

function addTable(scope: Construct, settings: Settings, key: CfnKey, { id, name, kinds, capacity, restore }: Written): CfnTable {
  const provisionedThroughput = capacity && {
    readCapacityUnits: capacity.starting,
    writeCapacityUnits: capacity.starting,
  };
  // Turned off explicitly: what CloudFormation does if it is left out, AWS does not document.
  const contributorInsightsSpecification = settings.throttledKeys
    ? { enabled: true, mode: 'THROTTLED_KEYS' }
    : { enabled: false };
  const attributes = FACTS.tables.attributes.filter(
    (attribute) => attribute.kinds.length === 0 || attribute.kinds.some((kind) => kinds.includes(kind)),
  );
  const indexes = FACTS.tables.indexes.filter(({ kind }) => kinds.includes(kind));
  const globalSecondaryIndexes = indexes.map((index) => ({
    indexName: index.name,
    keySchema: keys(index.hash, index.range),
    projection: index.include.length > 0
      ? { projectionType: 'INCLUDE', nonKeyAttributes: index.include }
      : { projectionType: 'KEYS_ONLY' },
    provisionedThroughput,
    contributorInsightsSpecification,
  }));
  const table = new CfnTable(scope, id, {
    tableName: name,
    billingMode: capacity ? 'PROVISIONED' : 'PAY_PER_REQUEST',
    provisionedThroughput,
    attributeDefinitions: attributes.map(({ name, type }) => ({ attributeName: name, attributeType: type })),
    keySchema: keys(FACTS.tables.hash, FACTS.tables.range),
    // DynamoDB refuses an empty list.
    globalSecondaryIndexes: globalSecondaryIndexes.length > 0 ? globalSecondaryIndexes : undefined,
    timeToLiveSpecification: { attributeName: FACTS.tables.timeToLive, enabled: true },
    streamSpecification: { streamViewType: 'NEW_AND_OLD_IMAGES' },
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    deletionProtectionEnabled: settings.deletionProtection,
    sseSpecification: { sseEnabled: true, sseType: 'KMS', kmsMasterKeyId: key.attrArn },
    contributorInsightsSpecification,
    importSourceSpecification: restore && {
      inputFormat: 'DYNAMODB_JSON',
      inputCompressionType: 'GZIP',
      s3BucketSource: { s3Bucket: restore.bucket, s3KeyPrefix: restore.prefix },
    },
  });
  table.cfnOptions.deletionPolicy = CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE;
  table.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.RETAIN;
  return table;
}

function keys(hash: string, range: string): CfnTable.KeySchemaProperty[] {
  return [
    { attributeName: hash, keyType: 'HASH' },
    { attributeName: range, keyType: 'RANGE' },
  ];
}
