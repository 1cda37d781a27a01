import { Aws } from 'aws-cdk-lib';
import type { CfnStage, HttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import type { CfnBucket } from 'aws-cdk-lib/aws-s3';
import { CfnSubscription, CfnTopic, CfnTopicPolicy } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

import type { AddAlarm } from './alarm';
import { LETTERS } from './buckets';
import { addCapacityAlarms } from './capacity-alarms';
import { FACTS } from './facts';
import type { Functions } from './functions';
import type { Settings } from './settings';
import { CONSUMERS } from './stream';
import type { Mapping } from './stream';
import type { DataTable, Tables } from './tables';
import { atLeast, over, under } from './thresholds';

/** What is watched. */
export interface Watched {
  readonly tables: Tables;
  readonly api: HttpApi;
  readonly stage: CfnStage;
  readonly functions: Functions;
  readonly mappings: readonly Mapping[];
  readonly deadLetters: CfnBucket;
}

/** The topic, and an alarm for each thing that somebody has to look at; docs/operations.md says of each what to do. */
export function addAlarms(scope: Construct, settings: Settings, key: CfnKey, watched: Watched): CfnTopic {
  const topic = addTopic(scope, settings, key);
  const add: AddAlarm = (id, see, { alarmDescription, treatMissingData = 'notBreaching', ...props }) => {
    new CfnAlarm(scope, id, {
      alarmDescription: `${alarmDescription}; see '${see}' in docs/operations.md`,
      treatMissingData,
      ...props,
      alarmActions: [topic.ref],
      okActions: [topic.ref],
    });
  };
  watched.tables.all.forEach((of) => addTableAlarms(add, of));
  addApiAlarms(add, settings, watched);
  addStreamAlarms(add, watched);
  addShopAlarms(add, watched.tables.main.ref);
  addCapacityAlarms(add, watched.tables);
  return topic;
}

function addTopic(scope: Construct, { alarmEmail }: Settings, key: CfnKey): CfnTopic {
  const topic = new CfnTopic(scope, 'AlarmTopic', { kmsMasterKeyId: key.attrArn });
  new CfnTopicPolicy(scope, 'AlarmTopicPolicy', {
    topics: [topic.ref],
    policyDocument: {
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'AlarmsOfThisAccount',
          Effect: 'Allow',
          Principal: { Service: 'cloudwatch.amazonaws.com' },
          Action: 'sns:Publish',
          Resource: topic.ref,
          Condition: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
        },
        {
          Sid: 'OverTlsOnly',
          Effect: 'Deny',
          Principal: '*',
          Action: 'sns:Publish',
          Resource: topic.ref,
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        },
      ],
    },
  });
  if (alarmEmail !== undefined) {
    new CfnSubscription(scope, 'AlarmSubscription', { topicArn: topic.ref, protocol: 'email', endpoint: alarmEmail });
  }
  return topic;
}

function addTableAlarms(add: AddAlarm, { kind, prefix, described, table }: DataTable): void {
  const of = kind === '' ? '' : prefix;
  add(`${of}ThrottledRequestsAlarm`, 'Throttled requests', {
    alarmDescription: `DynamoDB throttles requests of ${described}`,
    metrics: ofEveryOperation('ThrottledRequests', table.ref),
    ...atLeast(5).times(1, 3),
  });
  add(`${of}SystemErrorsAlarm`, 'DynamoDB fails', {
    alarmDescription: `DynamoDB answers requests of ${described} with errors of its own`,
    metrics: ofEveryOperation('SystemErrors', table.ref),
    ...atLeast(5).times(1, 3),
  });
  add(`${of}TransactionConflictAlarm`, 'Transaction conflicts', {
    alarmDescription: `Transactions conflict with each other in ${described}`,
    metrics: sumOf('TransactionConflict', [
      counted('conflicts', 'AWS/DynamoDB', 'TransactionConflict', [{ name: 'TableName', value: table.ref }]),
    ]),
    ...atLeast(100).times(1, 3),
  });
}

/** DynamoDB counts these for each operation alone. */
function ofEveryOperation(metricName: string, table: string): CfnAlarm.MetricDataQueryProperty[] {
  const counts = FACTS.operations.map((operation) =>
    counted(operation.charAt(0).toLowerCase() + operation.slice(1), 'AWS/DynamoDB', metricName, [
      { name: 'TableName', value: table },
      { name: 'Operation', value: operation },
    ]),
  );
  return sumOf(metricName, counts);
}

function counted(
  id: string,
  namespace: string,
  metricName: string,
  dimensions: CfnAlarm.DimensionProperty[],
): CfnAlarm.MetricDataQueryProperty {
  const metric = { namespace, metricName, dimensions };
  return { id, returnData: false, metricStat: { stat: 'Sum', period: 300, metric } };
}

/**
 * What is not counted is missing, and an alarm on a metric of DynamoDB stays as it is while data is missing, whatever it
 * says of missing data: so these are filled up with zeros. A metric that comes late is filled up too, so that such an alarm
 * looks at more periods than have to be over the threshold.
 */
function sumOf(label: string, counts: CfnAlarm.MetricDataQueryProperty[]): CfnAlarm.MetricDataQueryProperty[] {
  return [{ id: 'total', expression: 'SUM(FILL(METRICS(), 0))', label, returnData: true }, ...counts];
}

function addApiAlarms(add: AddAlarm, { slowestAcceptable }: Settings, { api, stage }: Watched): void {
  const dimensions = [
    { name: 'ApiId', value: api.apiId },
    { name: 'Stage', value: stage.ref },
  ];
  add('ServerErrorsAlarm', 'Requests fail', {
    alarmDescription: 'Requests are answered with 5xx',
    namespace: 'AWS/ApiGateway',
    metricName: '5xx',
    dimensions,
    statistic: 'Sum',
    period: 300,
    ...atLeast(5).once,
  });
  add('LatencyAlarm', 'Requests are slow', {
    alarmDescription: 'One request in a hundred is slow',
    namespace: 'AWS/ApiGateway',
    metricName: 'Latency',
    dimensions,
    extendedStatistic: 'p99',
    // Of a handful of requests the slowest hundredth is the slowest one.
    evaluateLowSampleCountPercentile: 'ignore',
    period: 300,
    ...over(slowestAcceptable.toMilliseconds()).times(3),
  });
}

function addStreamAlarms(add: AddAlarm, { functions, mappings, deadLetters }: Watched): void {
  for (const { consumer, of, mapping } of mappings) {
    add(`${consumer}${of.kind}StoppedAlarm`, 'A consumer does not run', {
      alarmDescription: `The stream of ${of.described} is not read for function ${consumer.toLowerCase()}`,
      // Counted at each look into the stream, also where there is nothing in it.
      namespace: 'AWS/Lambda',
      metricName: 'PolledEventCount',
      dimensions: [{ name: 'EventSourceMappingUUID', value: mapping.ref }],
      statistic: 'SampleCount',
      period: 300,
      ...under(1).times(3),
      treatMissingData: 'breaching',
    });
  }
  for (const name of CONSUMERS) {
    const ofFunction = [{ name: 'FunctionName', value: functions[name].functionName }];
    add(`${name}FailuresAlarm`, 'A consumer does not run', {
      alarmDescription: `Function ${name.toLowerCase()} fails or is not allowed to run`,
      metrics: sumOf('Failures', [
        counted('errors', 'AWS/Lambda', 'Errors', ofFunction),
        counted('throttles', 'AWS/Lambda', 'Throttles', ofFunction),
      ]),
      ...atLeast(1).times(3, 4),
    });
    add(`${name}IteratorAgeAlarm`, 'A consumer is behind', {
      alarmDescription: `Function ${name.toLowerCase()} is behind a stream by over a minute`,
      namespace: 'AWS/Lambda',
      metricName: 'IteratorAge',
      dimensions: ofFunction,
      statistic: 'Maximum',
      period: 60,
      ...over(60_000).times(5),
    });
  }
  add('DeadLettersAlarm', 'Dead letters', {
    alarmDescription: 'Records of the stream, or products that cannot be indexed, were given up',
    namespace: 'AWS/S3',
    metricName: 'PutRequests',
    dimensions: [
      { name: 'BucketName', value: deadLetters.ref },
      { name: 'FilterId', value: LETTERS },
    ],
    statistic: 'Sum',
    // Metrics of S3 can come late.
    period: 300,
    ...atLeast(1).times(1, 3),
  });
}

/** What the sweeper and the indexer count of a shop is named after its table. */
function addShopAlarms(add: AddAlarm, table: string): void {
  const ofTheTable = { namespace: 'OneTill', dimensions: [{ name: 'Table', value: table }], statistic: 'Maximum' };
  add('UnknownPaymentsAlarm', 'payment_unknown', {
    alarmDescription: 'Payments stay without an answer of the provider',
    ...ofTheTable,
    metricName: 'UnknownPayments',
    period: 300,
    ...atLeast(1).times(3, 4),
  });
  add('OverdueHoldsAlarm', 'The sweeper does not run', {
    alarmDescription: 'Orders stay pending past their hold, or the sweeper does not run',
    ...ofTheTable,
    metricName: 'OverdueHolds',
    period: 60,
    ...atLeast(1).times(5),
    // A sweeper that does not run counts nothing.
    treatMissingData: 'breaching',
  });
  add('SearchDelayAlarm', 'Search is behind', {
    alarmDescription: 'Changes of products wait for over five minutes to be found, or the indexer does not run',
    ...ofTheTable,
    metricName: 'SearchDelay',
    period: 60,
    ...atLeast(300).times(5),
    // An indexer that does not run counts nothing.
    treatMissingData: 'breaching',
  });
  add('StuckSalesAlarm', 'A sale does not end', {
    alarmDescription: 'The units of a sale that is over do not return to the stock, or its lots stay unwritten',
    ...ofTheTable,
    metricName: 'StuckSales',
    period: 300,
    ...atLeast(1).times(3, 4),
  });
  add('DisputesAlarm', 'A dispute', {
    alarmDescription: "A customer's bank demands the money of a payment back; repeated once a day until it is decided",
    ...ofTheTable,
    metricName: 'Disputes',
    period: 300,
    ...atLeast(1).once,
  });
  add('BouncesAlarm', 'Mail bounces', {
    alarmDescription: 'So many mails of the account bounce that SES may stop sending them',
    // Of the whole account in the region: SES counts it so.
    namespace: 'AWS/SES',
    metricName: 'Reputation.BounceRate',
    statistic: 'Maximum',
    period: 3600,
    ...atLeast(0.05).once,
  });
}
