import { Aws, Duration } from 'aws-cdk-lib';
import {
  ApiMapping,
  CfnStage,
  CorsHttpMethod,
  DomainName,
  EndpointType,
  HttpApi,
  HttpMethod,
  HttpStage,
  SecurityPolicy,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import type { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

import { FACTS } from './facts';
import { API_FUNCTIONS } from './function-names';
import type { Functions } from './functions';
import type { Settings } from './settings';

export interface Api {
  readonly http: HttpApi;
  readonly stage: CfnStage;
  /** The API's own domain, where it has one. */
  readonly domain: DomainName | undefined;
  /** Where storefronts call. */
  readonly url: string;
}

/** One line of JSON for each request. */
const ACCESS_LOG = JSON.stringify({
  requestId: '$context.requestId',
  time: '$context.requestTime',
  ip: '$context.identity.sourceIp',
  route: '$context.routeKey',
  status: '$context.status',
  bytes: '$context.responseLength',
  ms: '$context.responseLatency',
  integrationMs: '$context.integrationLatency',
  error: '$context.error.message',
  integrationError: '$context.integrationErrorMessage',
});

export function addApi(scope: Construct, settings: Settings, functions: Functions, logs: CfnLogGroup): Api {
  const { GET, POST, PUT, PATCH, DELETE } = CorsHttpMethod;
  const http = new HttpApi(scope, 'HttpApi', {
    apiName: Aws.STACK_NAME,
    createDefaultStage: false,
    disableExecuteApiEndpoint: settings.domain !== undefined,
    corsPreflight: {
      allowOrigins: settings.allowedOrigins,
      allowCredentials: true,
      allowMethods: [GET, POST, PUT, PATCH, DELETE],
      allowHeaders: FACTS.cors.allowHeaders,
      exposeHeaders: FACTS.cors.exposeHeaders,
      maxAge: Duration.seconds(FACTS.cors.maxAgeSeconds),
    },
  });
  for (const name of API_FUNCTIONS) {
    const integration = new HttpLambdaIntegration(name, functions[name]);
    for (const { method, path } of FACTS.functions[name].routes) {
      http.addRoutes({ path, methods: [HttpMethod[method as keyof typeof HttpMethod]], integration });
    }
  }

  const stage = new CfnStage(scope, 'HttpApiApiGatewayDefaultStage', {
    apiId: http.apiId,
    stageName: '$default',
    autoDeploy: true,
    accessLogSettings: { destinationArn: logs.attrArn, format: ACCESS_LOG },
    defaultRouteSettings: {
      throttlingRateLimit: settings.throttling.rateLimit,
      throttlingBurstLimit: settings.throttling.burstLimit,
    },
  });
  const domain = addDomain(scope, settings, http, stage);
  const below = settings.basePath === '' ? '' : `/${settings.basePath}`;
  const host = settings.domain
    ? settings.domain.name + below
    : `${http.apiId}.execute-api.${Aws.REGION}.${Aws.URL_SUFFIX}`;
  return { http, stage, domain, url: `https://${host}` };
}

function addDomain(
  scope: Construct,
  { domain, basePath }: Settings,
  api: HttpApi,
  stage: CfnStage,
): DomainName | undefined {
  if (!domain) return undefined;
  const domainName = new DomainName(scope, 'ApiDomain', {
    domainName: domain.name,
    certificate: Certificate.fromCertificateArn(scope, 'ApiCertificate', domain.certificateArn),
    endpointType: EndpointType.REGIONAL,
    securityPolicy: SecurityPolicy.TLS_1_2,
  });
  new ApiMapping(scope, 'ApiDomainMapping', {
    api,
    domainName,
    apiMappingKey: basePath === '' ? undefined : basePath,
    stage: HttpStage.fromHttpStageAttributes(stage, 'Stage', { api, stageName: stage.ref }),
  });
  return domainName;
}
