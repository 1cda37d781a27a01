import { CfnDeletionPolicy } from 'aws-cdk-lib';
import { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

import { FACTS } from './facts';
import type { Settings } from './settings';

/** The secondary indexes, and what the resources that belong to them are named after. */
export const INDEXES = FACTS.table.indexes;

/** The table, with the keys and indexes of `shared/table/src/schema.rs`. */
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
    attributeDefinitions: FACTS.table.attributes.map(({ name, type }) => ({
      attributeName: name,
      attributeType: type,
    })),
    keySchema: keys(FACTS.table.hash, FACTS.table.range),
    globalSecondaryIndexes: INDEXES.map((index) => ({
      indexName: index.name,
      keySchema: keys(index.hash, index.range),
      projection: index.include.length > 0
        ? { projectionType: 'INCLUDE', nonKeyAttributes: index.include }
        : { projectionType: 'KEYS_ONLY' },
      provisionedThroughput,
    })),
    timeToLiveSpecification: { attributeName: FACTS.table.timeToLive, enabled: true },
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
