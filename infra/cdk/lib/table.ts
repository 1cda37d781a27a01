import { CfnDeletionPolicy } from 'aws-cdk-lib';
import { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

import type { Settings } from './settings';

/** A secondary index, and what the resources that belong to it are named after. */
export interface Index {
  readonly prefix: string;
  readonly name: string;
  readonly hash: string;
  readonly range: string;
  /** Attributes beside the keys; keys alone without. */
  readonly include?: string[];
}

const LISTED = ['name', 'currency', 'thumbnail', 'soldOut'];

export const INDEXES: readonly Index[] = [
  { prefix: 'Category', name: 'category-price-index', hash: 'category', range: 'price', include: LISTED },
  { prefix: 'Category2', name: 'category-2-price-index', hash: 'category2', range: 'price', include: LISTED },
  { prefix: 'Category3', name: 'category-3-price-index', hash: 'category3', range: 'price', include: LISTED },
  { prefix: 'Category4', name: 'category-4-price-index', hash: 'category4', range: 'price', include: LISTED },
  { prefix: 'CatalogPrice', name: 'catalog-price-index', hash: 'priceShard', range: 'price', include: LISTED },
  {
    prefix: 'Featured',
    name: 'featured-index',
    hash: 'featured',
    range: 'featuredRank',
    include: [...LISTED, 'price'],
  },
  { prefix: 'Due', name: 'due-index', hash: 'dueShard', range: 'dueAt' },
  {
    prefix: 'OrderState',
    name: 'order-state-index',
    hash: 'stateDay',
    range: 'placedAt',
    include: ['total', 'currency', 'itemCount', 'version'],
  },
];

/** The table: `shared/table/src/schema.rs` is what this is compared to. */
export function addTable(scope: Construct, settings: Settings, key: CfnKey): CfnTable {
  const { capacity, restore } = settings;
  const provisionedThroughput = capacity && {
    readCapacityUnits: capacity.starting,
    writeCapacityUnits: capacity.starting,
  };
  const table = new CfnTable(scope, 'Table', {
    tableName: settings.tableName,
    billingMode: capacity ? 'PROVISIONED' : 'PAY_PER_REQUEST',
    provisionedThroughput,
    attributeDefinitions: [
      { attributeName: 'PK', attributeType: 'S' },
      { attributeName: 'SK', attributeType: 'S' },
      { attributeName: 'category', attributeType: 'S' },
      { attributeName: 'category2', attributeType: 'S' },
      { attributeName: 'category3', attributeType: 'S' },
      { attributeName: 'category4', attributeType: 'S' },
      { attributeName: 'price', attributeType: 'N' },
      { attributeName: 'priceShard', attributeType: 'S' },
      { attributeName: 'featured', attributeType: 'S' },
      { attributeName: 'featuredRank', attributeType: 'N' },
      { attributeName: 'dueShard', attributeType: 'S' },
      { attributeName: 'dueAt', attributeType: 'N' },
      { attributeName: 'stateDay', attributeType: 'S' },
      { attributeName: 'placedAt', attributeType: 'S' },
    ],
    keySchema: keys('PK', 'SK'),
    globalSecondaryIndexes: INDEXES.map((index) => ({
      indexName: index.name,
      keySchema: keys(index.hash, index.range),
      projection: index.include
        ? { projectionType: 'INCLUDE', nonKeyAttributes: index.include }
        : { projectionType: 'KEYS_ONLY' },
      provisionedThroughput,
    })),
    timeToLiveSpecification: { attributeName: 'expiresAt', enabled: true },
    streamSpecification: { streamViewType: 'NEW_AND_OLD_IMAGES' },
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    deletionProtectionEnabled: settings.deletionProtection,
    sseSpecification: { sseEnabled: true, sseType: 'KMS', kmsMasterKeyId: key.attrArn },
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
