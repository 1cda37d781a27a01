import { Aws } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnEventInvokeConfig } from 'aws-cdk-lib/aws-lambda';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import type { Construct } from 'constructs';

import { setPolicy } from './roles';

/** Runs the sweeper once a minute. A run that failed is not repeated: the next one is less than a minute away. */
export function addSchedule(scope: Construct, sweeper: Function): void {
  const role = new Role(scope, 'SweeperScheduleRole', {
    assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
  });
  setPolicy(role, 'Sweeper', [{ Effect: 'Allow', Action: 'lambda:InvokeFunction', Resource: sweeper.functionArn }]);
  new CfnSchedule(scope, 'SweeperSchedule', {
    description: 'Once a minute',
    scheduleExpression: 'rate(1 minute)',
    flexibleTimeWindow: { mode: 'OFF' },
    target: {
      arn: sweeper.functionArn,
      roleArn: role.roleArn,
      retryPolicy: { maximumRetryAttempts: 0, maximumEventAgeInSeconds: 60 },
    },
  });
  new CfnEventInvokeConfig(scope, 'SweeperInvocations', {
    functionName: sweeper.functionName,
    qualifier: '$LATEST',
    maximumRetryAttempts: 0,
    maximumEventAgeInSeconds: 60,
  });
}
