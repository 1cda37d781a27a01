import { Aws, Fn } from 'aws-cdk-lib';
import { CfnDashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';

import type { Watched } from './alarms';
import body from './dashboard.json';

/** What a shop looks like from outside, on one page: dashboard.json, which `infra/sam` has too. */
export function addDashboard(scope: Construct, { table, api, stage, functions, deadLetters }: Watched): CfnDashboard {
  const dashboardBody = Fn.sub(JSON.stringify(body), {
    Table: table.ref,
    HttpApi: api.apiId,
    Stage: stage.ref,
    NotificationsFunction: functions.Notifications.functionName,
    ProjectionsFunction: functions.Projections.functionName,
    DeadLettersBucket: deadLetters.ref,
  });
  return new CfnDashboard(scope, 'Dashboard', { dashboardName: Aws.STACK_NAME, dashboardBody });
}
