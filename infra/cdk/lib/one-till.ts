import type { DomainName, HttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { CfnBucket, IBucket } from 'aws-cdk-lib/aws-s3';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import type { CfnSecret, ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

import { acknowledge } from './acknowledged';
import { addAlarms } from './alarms';
import { addApi } from './api';
import { addBuckets } from './buckets';
import { addDashboard } from './dashboard';
import { addFunctions } from './functions';
import type { Functions } from './functions';
import { addKey } from './key';
import { addLogs } from './logs';
import type { OneTillProps } from './props';
import { addRoles } from './roles';
import type { Roles } from './roles';
import { addScaling } from './scaling';
import { addSchedule } from './schedule';
import { addSecrets } from './secrets';
import { settingsOf } from './settings';
import { addMappings } from './stream';
import { addTables } from './tables';
import type { DataTable, Tables } from './tables';

/**
 * The backend of an online shop. Its resources are those of `infra/sam/template.yaml`, under the same names; most are
 * L1 constructs, because what an L2 adds of its own would make the two differ.
 */
export class OneTill extends Construct {
  /** What everything is encrypted with. */
  readonly key: IKey;
  /** The table of everything that has no table of its own. */
  readonly table: ITable;
  /** The tables that products and categories, orders, and sessions are in: by default the same one. */
  readonly catalogueTable: ITable;
  readonly ordersTable: ITable;
  readonly sessionsTable: ITable;
  /** Descriptions that are too large for the table, and the index of the search. */
  readonly descriptionsBucket: IBucket;
  readonly auditBucket: IBucket;
  /** Records of the stream that were given up. */
  readonly deadLettersBucket: IBucket;
  /** Who accessed the other buckets. */
  readonly accessLogsBucket: IBucket;
  /** Secret that seals cursors. */
  readonly cursorKeys: ISecret;
  /** Secret that signs the links in mails. */
  readonly linkKeys: ISecret;
  readonly orderLinkKeys: ISecret;
  /** Secret to put Stripe's keys into. */
  readonly paymentSecrets: ISecret;
  /** What is granted to a function itself is not added to its role. */
  readonly functions: Functions;
  /** The functions' roles. What more is allowed to one of these, its function may do too. */
  readonly roles: Roles;
  readonly api: HttpApi;
  /** Where storefronts call. */
  readonly apiUrl: string;
  /** The API's own domain, where it has one: its DNS record points to `regionalDomainName`. */
  readonly apiDomain: DomainName | undefined;
  /** Where alarms are published. */
  readonly alarmTopic: ITopic;

  /** @throws an error that names everything that is wrong with the props. */
  constructor(scope: Construct, id: string, props: OneTillProps) {
    super(scope, id);
    const settings = settingsOf(props);

    const key = addKey(this);
    const tables = addTables(this, settings, key);
    addScaling(this, tables);
    const buckets = addBuckets(this, key);
    const secrets = addSecrets(this, key);
    const logs = addLogs(this, settings, key);
    const roles = addRoles(this, settings, { key, tables, buckets, secrets, logs });
    const functions = addFunctions(this, settings, { tables, buckets, secrets, roles, logs });
    const api = addApi(this, settings, functions, logs.Api);
    const mappings = addMappings(this, tables, functions, buckets.deadLetters);
    addSchedule(this, 'Sweeper', functions);
    addSchedule(this, 'Indexer', functions);
    const watched = { tables, api: api.http, stage: api.stage, functions, mappings, deadLetters: buckets.deadLetters };
    const topic = addAlarms(this, settings, key, watched);
    addDashboard(this, watched);

    this.key = Key.fromKeyArn(key, 'Key', key.attrArn);
    const imported = new Map(tables.all.map((of) => [of, importedTable(of, tables, this.key)]));
    const holding = (kind: string): ITable => imported.get(tables.holding(kind)) ?? this.table;
    this.table = holding('');
    this.catalogueTable = holding('Catalogue');
    this.ordersTable = holding('Orders');
    this.sessionsTable = holding('Sessions');
    this.descriptionsBucket = importedBucket(buckets.descriptions, this.key);
    this.auditBucket = importedBucket(buckets.audit, this.key);
    this.deadLettersBucket = importedBucket(buckets.deadLetters, this.key);
    this.accessLogsBucket = importedBucket(buckets.accessLogs);
    this.cursorKeys = importedSecret(secrets.cursorKeys, this.key);
    this.linkKeys = importedSecret(secrets.linkKeys, this.key);
    this.orderLinkKeys = importedSecret(secrets.orderLinkKeys, this.key);
    this.paymentSecrets = importedSecret(secrets.payment, this.key);
    this.functions = functions;
    this.roles = roles;
    this.api = api.http;
    this.apiUrl = api.url;
    this.apiDomain = api.domain;
    this.alarmTopic = Topic.fromTopicArn(topic, 'Topic', topic.ref);
    acknowledge({ roles, buckets, secrets, api: api.http });
  }
}

/* As imported, so that what others do with these never makes a second policy for them, or a wider one. */

function importedTable(of: DataTable, tables: Tables, encryptionKey: IKey): ITable {
  const { table } = of;
  return Table.fromTableAttributes(table, 'Table', {
    tableName: table.ref,
    tableStreamArn: table.attrStreamArn,
    globalIndexes: tables.indexes.filter((index) => index.of === of).map(({ name }) => name),
    encryptionKey,
  });
}

function importedBucket(bucket: CfnBucket, encryptionKey?: IKey): IBucket {
  const names = { bucketArn: bucket.attrArn, bucketName: bucket.ref };
  return Bucket.fromBucketAttributes(bucket, 'Bucket', { ...names, encryptionKey });
}

function importedSecret(secret: CfnSecret, encryptionKey: IKey): ISecret {
  return Secret.fromSecretAttributes(secret, 'Secret', { secretCompleteArn: secret.ref, encryptionKey });
}
