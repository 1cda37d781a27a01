import { Aws } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnEventInvokeConfig } from 'aws-cdk-lib/aws-lambda';
import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';

import type { Functions } from './functions';
import { setPolicy } from './roles';

/** Runs a function once a minute. A run that failed is not repeated: the next one is less than a minute away. */
export function addSchedule(scope: Construct, name: 'Sweeper' | 'Indexer', functions: Functions): void {
  const { functionArn, functionName } = functions[name];
  const role = new Role(scope, `${name}ScheduleRole`, {
    assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
  });
  setPolicy(role, name, [{ Effect: 'Allow', Action: 'lambda:InvokeFunction', Resource: functionArn }]);
  new CfnSchedule(scope, `${name}Schedule`, {
    description: 'Once a minute',
    scheduleExpression: 'rate(1 minute)',
    flexibleTimeWindow: { mode: 'OFF' },
    target: {
      arn: functionArn,
      roleArn: role.roleArn,
      retryPolicy: { maximumRetryAttempts: 0, maximumEventAgeInSeconds: 60 },
    },
  });
  new CfnEventInvokeConfig(scope, `${name}Invocations`, {
    functionName,
    qualifier: '$LATEST',
    maximumRetryAttempts: 0,
    maximumEventAgeInSeconds: 60,
  });
}
